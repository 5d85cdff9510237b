//! An access token from a stranger: never a panic, never a yes.
#![no_main]

use std::sync::OnceLock;

use edge::token::Keyring;
use kernel::clock::Clock;
use libfuzzer_sys::fuzz_target;

/// A public key whose private half nobody has: RFC 8032's first test vector.
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

fn keyring() -> &'static Keyring {
    static KEYS: OnceLock<Keyring> = OnceLock::new();
    KEYS.get_or_init(|| {
        let keys = Keyring::new(Clock::default());
        keys.set([("k1".to_owned(), PUBLIC.to_vec())]);
        keys
    })
}

fuzz_target!(|token: &str| {
    assert!(keyring().verify(token).is_err(), "a token without a key was believed");
});
