//! The code on a ticket: what a scanner reads, can check without a network, and nobody can forge.
//!
//! ```text
//! "RL1" Base45( kid 1 · venue 16 · show 16 · ticket 16 · serial 4 · not before 4 · not after 4
//!               · class 1 · sealed length 1 · sealed name 0–88 · Ed25519 signature 64 )
//! ```
//!
//! Numbers are big-endian, times are seconds since 1970. The signature is over [`DOMAIN`], `RL1` and
//! all bytes before it. The name is sealed with ChaCha20-Poly1305: nonce 12, text, tag 16, with the
//! bytes before it as associated data. Everything here is pure: a fuzz target calls [`parse`].

mod base45;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, UnparsedPublicKey};
use jiff::Timestamp;
use kernel::ids::{ShowId, TicketId, VenueId};
use uuid::Uuid;

/// How every code begins: its kind and version, in letters that a QR code packs tightly.
pub const PREFIX: &str = "RL1";
/// What is signed begins with this: no signature of another kind is one of a code.
pub const DOMAIN: &[u8] = b"rowlock-ticket-v1\0";
/// Bytes of a name that travel in a code; a longer one is cut.
pub const NAME_MAX_BYTES: usize = 60;
/// Characters of a code at most.
pub const CODE_MAX_CHARS: usize = 330;

const HEAD_BYTES: usize = 1 + 3 * 16 + 3 * 4 + 1 + 1;
const TAG_BYTES: usize = 16;
const SEALED_MAX_BYTES: usize = NONCE_LEN + NAME_MAX_BYTES + TAG_BYTES;
const SIGNATURE_BYTES: usize = 64;

/// What a code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The key of the show that signed it.
    pub kid: u8,
    /// The venue.
    pub venue: VenueId,
    /// The show.
    pub show: ShowId,
    /// The ticket.
    pub ticket: TicketId,
    /// Which of the ticket's codes it is.
    pub serial: u32,
    /// It does not count before, in seconds since 1970.
    pub not_before: u32,
    /// Nor from then on.
    pub not_after: u32,
    /// The class of the ticket's type.
    pub class: u8,
    /// The holder's name, sealed; empty where the show does not want it.
    pub sealed_name: Vec<u8>,
}

/// A code that was read and not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    said: Said,
    signed: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
}

/// Why a text is no code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACode {
    /// It does not begin like one: a number, or somebody else's code.
    #[error("it does not begin like a code")]
    Stranger,
    /// It begins like one and is broken.
    #[error("it is a broken code")]
    Broken,
    /// Its signature is not by the key that it names.
    #[error("its signature is wrong")]
    BadSignature,
}

/// Reads a code, strictly: exactly one text stands for what it says.
///
/// # Errors
/// `Stranger` or `Broken`.
pub fn parse(text: &str) -> Result<Unverified, NotACode> {
    let letters = text.strip_prefix(PREFIX).ok_or(NotACode::Stranger)?;
    if text.len() > CODE_MAX_CHARS {
        return Err(NotACode::Broken);
    }
    let bytes = base45::decode(letters).ok_or(NotACode::Broken)?;
    read(&bytes).ok_or(NotACode::Broken)
}

fn read(bytes: &[u8]) -> Option<Unverified> {
    let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
    let (head, sealed_name) = signed.split_at_checked(HEAD_BYTES)?;
    let mut rest = head;
    let mut take = |count: usize| {
        let (part, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(part)
    };
    let kid = *take(1)?.first()?;
    let venue = VenueId(Uuid::from_slice(take(16)?).ok()?);
    let show = ShowId(Uuid::from_slice(take(16)?).ok()?);
    let ticket = TicketId(Uuid::from_slice(take(16)?).ok()?);
    let serial = u32::from_be_bytes(*take(4)?.first_chunk()?);
    let not_before = u32::from_be_bytes(*take(4)?.first_chunk()?);
    let not_after = u32::from_be_bytes(*take(4)?.first_chunk()?);
    let class = *take(1)?.first()?;
    let sealed_length = usize::from(*take(1)?.first()?);
    let fits = sealed_length == 0
        || (NONCE_LEN + TAG_BYTES + 1..=SEALED_MAX_BYTES).contains(&sealed_length);
    if !fits || sealed_name.len() != sealed_length {
        return None;
    }
    let sealed_name = sealed_name.to_vec();
    let said = Said { kid, venue, show, ticket, serial, not_before, not_after, class, sealed_name };
    Some(Unverified { said, signed: signed.to_vec(), signature: *signature.first_chunk()? })
}

impl Unverified {
    /// What it claims: which key to look for, and nothing more.
    #[must_use]
    pub fn claims(&self) -> &Said {
        &self.said
    }

    /// What it says, if the holder of `public_key` said it.
    ///
    /// # Errors
    /// `BadSignature`.
    pub fn verify(self, public_key: &[u8]) -> Result<Said, NotACode> {
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        key.verify(&message(&self.signed), &self.signature).map_err(|_| NotACode::BadSignature)?;
        Ok(self.said)
    }
}

fn message(signed: &[u8]) -> Vec<u8> {
    [DOMAIN, PREFIX.as_bytes(), signed].concat()
}

/// What makes the codes of one show: the private half, and the key of names.
pub struct Signer {
    kid: u8,
    pair: Ed25519KeyPair,
    names: NameKey,
}

/// What seals and opens the names in the codes of one show.
pub struct NameKey(LessSafeKey);

impl NameKey {
    /// The key of these 32 bytes.
    ///
    /// # Errors
    /// When they are not 32.
    pub fn new(bytes: &[u8]) -> Result<Self, Unspecified> {
        Ok(Self(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes)?)))
    }

    fn seal(&self, name: &str, head: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let mut text = cut(name).as_bytes().to_vec();
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(sealing, Aad::from(head), &mut text)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    /// The name in a code that was verified; nothing where it has none.
    #[must_use]
    pub fn open(&self, said: &Said) -> Option<String> {
        let (nonce, text) = said.sealed_name.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(head(said)), &mut text).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

impl Signer {
    /// The signer with the PKCS#8 document of its private half and the key of names.
    ///
    /// # Errors
    /// When one of them is broken.
    pub fn new(kid: u8, pkcs8: &[u8], name_key: &[u8]) -> Result<Self, Unspecified> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| Unspecified)?;
        Ok(Self { kid, pair, names: NameKey::new(name_key)? })
    }

    /// The code that says it, with the holder's name where the show wants it. `kid` and
    /// `sealed_name` of `said` are put right.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn code(&self, mut said: Said, name: Option<&str>) -> Result<String, Unspecified> {
        said.kid = self.kid;
        said.sealed_name.clear();
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            said.sealed_name = vec![0; NONCE_LEN + cut(name).len() + TAG_BYTES];
            said.sealed_name = self.names.seal(name, &head(&said))?;
        }
        let signed = [head(&said), said.sealed_name].concat();
        let signature = self.pair.sign(&message(&signed));
        Ok(format!("{PREFIX}{}", base45::encode(&[&signed, signature.as_ref()].concat())))
    }

    /// A detached signature over `text` of the kind that `domain` names, for bundles.
    #[must_use]
    pub fn sign(&self, domain: &[u8], text: &[u8]) -> Vec<u8> {
        self.pair.sign(&[domain, text].concat()).as_ref().to_vec()
    }

    /// Which key it is.
    #[must_use]
    pub fn kid(&self) -> u8 {
        self.kid
    }
}

/// Whether `signature` over `text` is of that kind and by that key.
#[must_use]
pub fn is_signed(public_key: &[u8], domain: &[u8], text: &[u8], signature: &[u8]) -> bool {
    public_key.len() == ED25519_PUBLIC_KEY_LEN
        && UnparsedPublicKey::new(&ED25519, public_key)
            .verify(&[domain, text].concat(), signature)
            .is_ok()
}

/// All bytes before the sealed name. The length of the name is among them.
fn head(said: &Said) -> Vec<u8> {
    let sealed_length = u8::try_from(said.sealed_name.len()).unwrap_or(0);
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.push(said.kid);
    head.extend_from_slice(said.venue.0.as_bytes());
    head.extend_from_slice(said.show.0.as_bytes());
    head.extend_from_slice(said.ticket.0.as_bytes());
    head.extend_from_slice(&said.serial.to_be_bytes());
    head.extend_from_slice(&said.not_before.to_be_bytes());
    head.extend_from_slice(&said.not_after.to_be_bytes());
    head.extend_from_slice(&[said.class, sealed_length]);
    head
}

/// As much of the name as a code carries, whole characters.
fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_MAX_BYTES)).unwrap_or(name)
}

/// Seconds since 1970, as a code writes them.
#[must_use]
pub fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().clamp(0, i64::from(u32::MAX))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
