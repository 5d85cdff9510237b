//! The code on a ticket, as the API's documentation describes it.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use uuid::Uuid;

const LETTERS: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const DOMAIN: &[u8] = b"rowlock-ticket-v1\0RL1";
const HEAD_BYTES: usize = 63;
const SIGNATURE_BYTES: usize = 64;
const NONCE_BYTES: usize = 12;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is not one of ours.
    Stranger,
    /// It looks like one and is broken.
    Broken,
}

/// What a code says, whoever has said it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The key.
    pub kid: u8,
    /// The venue's id.
    pub venue: String,
    /// The show's id.
    pub show: String,
    /// The ticket's id.
    pub ticket: String,
    /// Which of the ticket's codes it is.
    pub serial: u32,
    /// The class of its type.
    pub class: u8,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// Reads a code.
///
/// # Errors
/// When it is none.
pub fn read(text: &str) -> Result<Read, Broken> {
    let letters = text.strip_prefix("RL1").ok_or(Broken::Stranger)?;
    let bytes = base45(letters).ok_or(Broken::Broken)?;
    parts(bytes).ok_or(Broken::Broken)
}

fn parts(mut bytes: Vec<u8>) -> Option<Read> {
    let signature = bytes.split_off(bytes.len().checked_sub(SIGNATURE_BYTES)?);
    let sealed = bytes.len().checked_sub(HEAD_BYTES)?;
    let id = |from: usize| Some(Uuid::from_slice(bytes.get(from..from + 16)?).ok()?.to_string());
    let read = Read {
        kid: *bytes.first()?,
        venue: id(1)?,
        show: id(17)?,
        ticket: id(33)?,
        serial: u32::from_be_bytes(*bytes.get(49..)?.first_chunk()?),
        class: *bytes.get(61)?,
        signed: Vec::new(),
        signature,
    };
    let whole = usize::from(*bytes.get(62)?) == sealed;
    whole.then_some(Read { signed: bytes, ..read })
}

fn base45(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for part in text.as_bytes().chunks(3) {
        let mut value = 0_u32;
        for letter in part.iter().rev() {
            let digit = LETTERS.iter().position(|known| known == letter)?;
            value = value * 45 + u32::try_from(digit).ok()?;
        }
        match part.len() {
            3 => bytes.extend_from_slice(&u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

impl Read {
    /// Whether the holder of that key has said it.
    #[must_use]
    pub fn is_by(&self, key: &[u8]) -> bool {
        let message = [DOMAIN, &self.signed].concat();
        UnparsedPublicKey::new(&ED25519, key).verify(&message, &self.signature).is_ok()
    }

    /// The name in it, opened.
    #[must_use]
    pub fn name(&self, key: &[u8]) -> Option<String> {
        let (head, sealed) = self.signed.split_at_checked(HEAD_BYTES)?;
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES)?;
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = key.open_in_place(nonce, Aad::from(head), &mut text).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}
