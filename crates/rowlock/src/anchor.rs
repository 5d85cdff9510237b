//! The heads of the audit chains, signed and noted in the workers' logs.
//!
//! Whoever owns the database can write a whole chain anew. They cannot take back what left it before:
//! `rowlock audit verify --anchors <log>` finds every head that was noted and is no longer there.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::seal::SealKey;
use jiff::Timestamp;
use kernel::problem::Problem;
use kernel::scope::Scope;
use pg::audit::ChainHead;
use pg::write::Refusal;
use pg::{Db, DbError, Outcome, Reply, WriteTask};
use uuid::Uuid;

/// Says what it is to whoever finds it in a log.
const PREFIX: &str = "rla1.";
/// Nothing else that is signed begins like this.
const DOMAIN: &[u8] = b"rowlock-audit-head-v1";
/// Bytes of venue, number, time and hash.
const PAYLOAD_BYTES: usize = 16 + 8 + 8 + 32;
const SIGNATURE_BYTES: usize = 64;
/// Heads that are noted in one transaction, and transactions of one round.
const HEADS_MAX: i64 = 500;
const ROUNDS_MAX: usize = 20;

/// The key that signs heads: made of `ROWLOCK_KEY`, which the database does not know.
pub(crate) struct AnchorKey(Ed25519KeyPair);

/// A head and when it was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) head: ChainHead,
    pub(crate) at: Timestamp,
}

/// Why a noted head does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not signed with this ROWLOCK_KEY, or was changed")]
pub(crate) struct NotOurs;

impl AnchorKey {
    pub(crate) fn of(key: &SealKey) -> anyhow::Result<Self> {
        let seed = key.seed(DOMAIN)?;
        Ok(Self(Ed25519KeyPair::from_seed_unchecked(&seed)?))
    }

    /// `rla1.` and what was signed, for a log.
    pub(crate) fn sign(&self, anchor: &Anchor) -> String {
        let payload = anchor.bytes();
        let signature = self.0.sign(&[DOMAIN, &payload].concat());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&payload, signature.as_ref()].concat()))
    }

    /// What was signed with this key.
    pub(crate) fn open(&self, text: &str) -> Result<Anchor, NotOurs> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes = bytes.filter(|bytes| bytes.len() == PAYLOAD_BYTES + SIGNATURE_BYTES);
        let bytes = bytes.ok_or(NotOurs)?;
        let (payload, signature) = bytes.split_at_checked(PAYLOAD_BYTES).ok_or(NotOurs)?;
        let public = UnparsedPublicKey::new(&ED25519, self.0.public_key().as_ref());
        public.verify(&[DOMAIN, payload].concat(), signature).map_err(|_| NotOurs)?;
        Anchor::parse(payload).ok_or(NotOurs)
    }
}

impl Anchor {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.venue.as_bytes().to_vec();
        bytes.extend_from_slice(&self.head.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(&self.head.hash);
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (venue, rest) = bytes.split_at_checked(16)?;
        let (seq, rest) = rest.split_at_checked(8)?;
        let (at, hash) = rest.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?));
        let head = ChainHead {
            venue: Uuid::from_slice(venue).ok()?,
            seq: number(seq)?,
            hash: hash.to_vec(),
        };
        Some(Self { head, at: Timestamp::from_microsecond(number(at)?).ok()? })
    }

    /// All noted heads of a log, whatever its format.
    pub(crate) fn find(log: &str) -> impl Iterator<Item = &str> {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.');
        log.split(word).filter(|text| text.starts_with(PREFIX))
    }
}

/// The heads of one transaction.
struct Noted(usize);

impl Reply for Noted {
    fn status(&self) -> u16 {
        200
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// The job's error: nothing but the database fails it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct JobError(#[from] DbError);

impl Refusal for JobError {
    fn problem(&self) -> Problem {
        self.0.problem()
    }
}

/// Notes every chain that went on since it was noted last. Any worker may run it at any time.
///
/// A line is written before the commit: a crash in between writes it twice, and never not at all.
pub(crate) async fn note_heads(db: &Db, key: &AnchorKey) -> Result<(), DbError> {
    for _ in 0..ROUNDS_MAX {
        let task = WriteTask::job("note_audit_heads", Scope::job());
        let noted = db.write(&task, async |tx| {
            let (heads, at) = (tx.audit_heads_to_note(HEADS_MAX).await?, tx.now());
            for head in &heads {
                let anchor = key.sign(&Anchor { head: head.clone(), at });
                tracing::info!(venue.id = %head.venue, audit.seq = head.seq, anchor, "audit head");
            }
            Ok::<_, JobError>(Noted(heads.len()))
        });
        match noted.await.map_err(|error| error.0)? {
            Outcome::Done { value: Noted(0), .. } | Outcome::Replayed(_) => break,
            Outcome::Done { .. } => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> AnchorKey {
        let mut bytes = [byte; 32];
        bytes[0] = 0;
        AnchorKey::of(&SealKey::from_bytes(bytes)).unwrap()
    }

    #[test]
    fn only_the_same_key_opens_what_was_noted() {
        let head = ChainHead { venue: Uuid::from_u128(7), seq: 42, hash: vec![9; 32] };
        let anchor = Anchor { head, at: Timestamp::from_second(1_790_000_000).unwrap() };
        let text = key(1).sign(&anchor);
        assert_eq!(key(1).open(&text), Ok(anchor));
        assert_eq!(key(2).open(&text), Err(NotOurs));
        for at in PREFIX.len()..text.len() - 1 {
            let mut broken = text.clone().into_bytes();
            broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
            let broken = String::from_utf8(broken).unwrap();
            assert_eq!(key(1).open(&broken), Err(NotOurs), "character {at}");
        }
    }

    #[test]
    fn noted_heads_are_found_in_text_and_in_json() {
        let log = "INFO audit head anchor=\"rla1.AB-_\" x\n{\"anchor\":\"rla1.CD\"}\nrla2.EF";
        assert_eq!(Anchor::find(log).collect::<Vec<_>>(), ["rla1.AB-_", "rla1.CD"]);
    }
}
