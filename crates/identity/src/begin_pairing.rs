//! Begin pairing: a manager makes a code that one device may use once.

use actix_web::{post, web};
use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::PAIRING_SECS;
use edge::qr::Qr;
use edge::token::sha256;
use edge::{Actor, Answer, App, Body, Created, Input, Rejection, WriteRefusals, can};
use jiff::{SignedDuration, Timestamp};
use kernel::role::Profile;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::IdentityError;
use crate::reads::VenuePath;
use crate::store::devices;

/// Random bytes of a code: 96 bits.
const CODE_BYTES: usize = 12;
/// Crockford's alphabet: nothing that looks like something else.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code between two dashes.
const GROUP: usize = 5;

/// What the device is to be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BeginPairing {
    /// What it is for.
    pub profile: Profile,
    /// What people will call it; the device's own name unless given.
    #[schema(nullable = false, min_length = 1, max_length = 120, example = "Door 2")]
    pub name: Option<String>,
}

impl Input for BeginPairing {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 120));
        }
    }
}

/// A code for one device. It is shown once.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairingCode {
    /// To be typed, or read from the QR code.
    #[schema(example = "7Q2ZK-0HV4M-P9TXC-3WBN8")]
    pub code: String,
    /// Until when.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// The code as a QR code: an SVG document.
    pub svg: String,
    /// The same as a PNG, in base64.
    pub png: String,
}

impl Versioned for PairingCode {}

/// Begin pairing a device
///
/// The code is good for one device and ten minutes. It is kept as a hash, so it cannot be shown
/// again; a repeat makes another one.
#[utoipa::path(
    operation_id = "beginPairing", tag = "identity", params(VenuePath),
    request_body = BeginPairing, security(("bearer" = [])),
    responses((status = 201, body = PairingCode), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/devices/pairings")]
pub(crate) async fn post_pairing(
    actor: Actor<can::ManageDevices>,
    cmd: Body<BeginPairing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    // Without a key: a stored answer would keep the code readable for a day.
    app.write(&actor, None, async move |tx| begin_pairing(tx, &cmd).await.map(Created)).await
}

async fn begin_pairing(tx: &mut Tx, cmd: &BeginPairing) -> Result<PairingCode, IdentityError> {
    // The lock of nobody: it only begins the transaction, so that its time is PostgreSQL's.
    devices::lock_pairing(tx, &[]).await?;
    let code = fresh_code()?;
    let expires_at = tx.now() + SignedDuration::from_secs(i64::from(PAIRING_SECS));
    let name = cmd.name.as_deref().map(|name| name.trim().to_owned());
    devices::insert_pairing(tx, hash(&code), cmd.profile, name, expires_at)?;
    let detail = serde_json::json!({ "profile": cmd.profile });
    tx.audit("pairing_begun", ("venue", tx.venue()?.0), &detail)?;
    // A code of ours is never too long.
    let qr = Qr::of(&code).map_err(|_| Unspecified)?;
    let png = STANDARD.encode(qr.png().map_err(|_| Unspecified)?);
    Ok(PairingCode { expires_at, svg: qr.svg(), png, code })
}

/// 96 random bits in four groups.
fn fresh_code() -> Result<String, Unspecified> {
    let mut bytes = [0; CODE_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let mut number =
        Uuid::from_slice(&[&[0; 4], bytes.as_slice()].concat()).map_err(|_| Unspecified)?.as_u128();
    let mut code = String::new();
    for place in 0..20 {
        if place > 0 && place % GROUP == 0 {
            code.push('-');
        }
        let digit = usize::try_from(number % 32).unwrap_or(0);
        code.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'0')));
        number /= 32;
    }
    Ok(code)
}

/// What is kept of a code, however it was typed.
pub(crate) fn hash(code: &str) -> Vec<u8> {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    sha256(plain.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_typed_badly() {
        let code = fresh_code().unwrap();
        assert_eq!(code.len(), 23);
        assert_eq!(code.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
        assert_eq!(hash(&code), hash(&code.to_lowercase().replace('-', " ")));
        assert_eq!(hash("0-1-1"), hash("OIl"));
        assert_ne!(code, fresh_code().unwrap());
    }
}
