//! What a camera reads at a door: never a panic, never a yes without the key, and one text for one
//! meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tickets::code::{self, NameKey};

fuzz_target!(|text: &str| {
    let Ok(read) = code::parse(text) else { return };
    assert!(text.starts_with(code::PREFIX) && text.len() <= code::CODE_MAX_CHARS);
    let said = read.claims().clone();
    let names = NameKey::new(&[7; 32]).expect("a key of 32 bytes");
    assert!(names.open(&said).is_none(), "a name that nobody has sealed");
    // The key of RFC 8032's first test: whoever found a signature by it has found the private half.
    let public = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];
    assert!(read.verify(&public).is_err());
});
