//! The `Stripe-Signature` header: `t=1700000000,v1=hex,v1=hex`.

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};

use crate::provider::BadMessage;

/// How far the notice's time may be from ours: an old one that somebody kept is refused.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Signatures of one header; Stripe sends one per secret that is valid.
const SIGNATURES_MAX: usize = 8;

/// Whether one of the signatures is right, over the bytes as they came. Comparing takes the same
/// time wherever they differ.
pub(super) fn check(
    secret: &str,
    header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), BadMessage> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").map(|(_, value)| value);
    let time = time.ok_or(BadMessage::Signature)?;
    let seconds: i64 = time.parse().map_err(|_| BadMessage::Signature)?;
    let at = Timestamp::from_second(seconds).map_err(|_| BadMessage::Signature)?;
    if now.duration_since(at).abs() > TOLERANCE {
        return Err(BadMessage::Signature);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = Vec::with_capacity(time.len() + 1 + body.len());
    signed.extend_from_slice(time.as_bytes());
    signed.push(b'.');
    signed.extend_from_slice(body);
    let signatures = parts().filter(|(name, _)| *name == "v1").take(SIGNATURES_MAX);
    let good = signatures.filter_map(|(_, hex)| bytes(hex));
    let mut found = false;
    for signature in good {
        found |= hmac::verify(&key, &signed, &signature).is_ok();
    }
    if found { Ok(()) } else { Err(BadMessage::Signature) }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn signed(secret: &str, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
        let hex = tag.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        format!("t={seconds},v1={hex}")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn only_the_bytes_that_were_signed_count_and_only_for_five_minutes() {
        let header = signed("whsec_a", 1_700_000_000, "{\"id\":1}");
        let check = |secret, header: &str, body: &str, now| {
            super::check(secret, header, body.as_bytes(), at(now)).is_ok()
        };
        assert!(check("whsec_a", &header, "{\"id\":1}", 1_700_000_000));
        assert!(check("whsec_a", &header, "{\"id\":1}", 1_700_000_300));
        assert!(check("whsec_a", &header, "{\"id\":1}", 1_699_999_700));
        assert!(!check("whsec_a", &header, "{\"id\":1}", 1_700_000_301));
        assert!(!check("whsec_a", &header, "{\"id\": 1}", 1_700_000_000));
        assert!(!check("whsec_b", &header, "{\"id\":1}", 1_700_000_000));
        let moved = header.replace("t=1700000000", "t=1700000001");
        assert!(!check("whsec_a", &moved, "{\"id\":1}", 1_700_000_000));
    }

    #[test]
    fn one_of_two_signatures_is_enough() {
        let (old, new) = (signed("whsec_old", 9, "x"), signed("whsec_new", 9, "x"));
        let both = format!("{old},{}", new.split_once(',').unwrap().1);
        assert!(super::check("whsec_new", &both, b"x", at(9)).is_ok());
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_check(header in "\\PC{0,200}", body in "\\PC{0,50}") {
            prop_assert!(super::check("whsec_a", &header, body.as_bytes(), at(9)).is_err());
        }
    }
}
