//! Secrets in mailed links: what they look like, and what a presented one is worth.
//!
//! A link names what it is for and proves it apart, so a wrong proof can be counted.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::sha256;
use jiff::Timestamp;
use uuid::Uuid;

/// Bytes of the secret: 256 random bits.
const SECRET_BYTES: usize = 32;
/// Bytes of an id.
const ID_BYTES: usize = 16;
/// Wrong proofs after which a link is void.
const TRIES_MAX: i32 = 5;

/// A link of one kind, which names `N` ids.
pub(crate) struct Kind<const N: usize> {
    /// Says what it is to whoever finds it where it should not be.
    prefix: &'static str,
}

/// Sets a new password: the reset's id.
pub(crate) const RESET: Kind<1> = Kind { prefix: "rlp_" };
/// Gives a role: the venue and the invitation.
pub(crate) const INVITATION: Kind<2> = Kind { prefix: "rli_" };

/// What was found in a presented link.
pub(crate) struct Presented<const N: usize> {
    /// What it names.
    pub(crate) ids: [Uuid; N],
    /// The hash of its proof.
    pub(crate) hash: [u8; 32],
}

impl<const N: usize> Kind<N> {
    /// A fresh secret that names `ids`, and the hash that is kept.
    pub(crate) fn fresh(&self, ids: [Uuid; N]) -> Result<(String, Vec<u8>), Unspecified> {
        let mut secret = [0; SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut secret)?;
        let mut bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        bytes.extend_from_slice(&secret);
        let token = format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(bytes));
        Ok((token, sha256(&secret).to_vec()))
    }

    /// What `token` names and proves; nothing, when it is not of this kind.
    pub(crate) fn read(&self, token: &str) -> Option<Presented<N>> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(self.prefix)?).ok()?;
        let (ids, secret) = bytes.split_at_checked(N * ID_BYTES)?;
        if secret.len() != SECRET_BYTES {
            return None;
        }
        let ids: Vec<Uuid> =
            ids.chunks(ID_BYTES).filter_map(|id| Uuid::from_slice(id).ok()).collect();
        Some(Presented { ids: ids.try_into().ok()?, hash: sha256(secret) })
    }
}

/// A link as the database keeps it, read under its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) expires_at: Timestamp,
    /// Neither used nor taken back.
    pub(crate) open: bool,
    pub(crate) tries: i32,
}

/// What a presented proof is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It opens.
    Good,
    /// It is wrong, and that is counted.
    Wrong,
    /// The link was used, taken back, tried too often, or is too old.
    Over,
}

/// The rule. What is over is over also for the right proof.
pub(crate) fn worth(kept: &Kept, hash: &[u8], now: Timestamp) -> Worth {
    if !kept.open || kept.expires_at <= now || kept.tries >= TRIES_MAX {
        return Worth::Over;
    }
    match verify_slices_are_equal(&kept.secret_hash, hash) {
        Ok(()) => Worth::Good,
        Err(_) => Worth::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_back_and_no_other_kind_passes() {
        let ids = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let (token, hash) = INVITATION.fresh(ids).unwrap();
        let read = INVITATION.read(&token).unwrap();
        assert_eq!((read.ids, read.hash.to_vec()), (ids, hash));
        assert!(RESET.read(&token).is_none());
        let (reset, _) = RESET.fresh([Uuid::nil()]).unwrap();
        assert!(INVITATION.read(&reset).is_none());
        for wrong in ["", "rlp_", "rlp_%", &reset[..20], &format!("{reset}AA")] {
            assert!(RESET.read(wrong).is_none(), "{wrong}");
        }
        assert!(!token.contains(&URL_SAFE_NO_PAD.encode(read.hash)));
    }

    #[test]
    fn only_the_right_proof_of_an_open_link_counts() {
        let now = Timestamp::UNIX_EPOCH;
        let kept =
            Kept { secret_hash: vec![7; 32], expires_at: Timestamp::MAX, open: true, tries: 4 };
        let good = [7; 32];
        assert_eq!(worth(&kept, &good, now), Worth::Good);
        assert_eq!(worth(&kept, &[8; 32], now), Worth::Wrong);
        assert_eq!(worth(&kept, &good[..31], now), Worth::Wrong);
        for over in [
            Kept { open: false, ..kept.clone() },
            Kept { expires_at: now, ..kept.clone() },
            Kept { tries: TRIES_MAX, ..kept.clone() },
        ] {
            assert_eq!(worth(&over, &good, now), Worth::Over, "{over:?}");
        }
    }
}
