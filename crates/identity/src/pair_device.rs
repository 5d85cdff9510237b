//! Pair a device: it brings a code and its public key, and waits for approval.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use edge::body::Errors;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::ids::{DeviceId, VenueId};
use kernel::scope::{Origin, Scope};
use pg::{Outcome, Tx, WriteTask};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::IdentityError;
use crate::begin_pairing::hash;
use crate::device_error::DeviceError;
use crate::devices::{Device, DeviceStatus, fingerprint, note, tell};
use crate::store::devices;

/// Bytes of an Ed25519 public key.
const KEY_BYTES: usize = 32;

/// A device that wants to belong to a venue.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PairDevice {
    /// The code that a manager shows.
    #[schema(max_length = 40, example = "7Q2ZK-0HV4M-P9TXC-3WBN8")]
    pub code: String,
    /// The public half of an Ed25519 key that the device has made and keeps: 32 bytes in base64.
    #[schema(max_length = 44)]
    pub public_key: String,
    /// What the device calls itself.
    #[schema(min_length = 1, max_length = 120, example = "Ana's iPhone")]
    pub name: String,
    /// What it is.
    #[schema(nullable = false, max_length = 120, example = "iPhone 15")]
    pub model: Option<String>,
}

impl Input for PairDevice {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        if let Some(model) = &self.model {
            errors.text(model, "/model", (1, 120));
        }
        let good = key(&self.public_key).is_some();
        errors.require(good, "/publicKey", "key", "Give the 32 bytes of the key in base64.");
        let detail = "Give the code as it is shown.";
        errors.require(self.code.len() <= 40, "/code", "length", detail);
    }
}

/// The bytes of a key, in either alphabet of base64.
fn key(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(plain).or_else(|_| STANDARD.decode(text)).ok();
    bytes.filter(|bytes| bytes.len() == KEY_BYTES)
}

/// Where the device belongs, and what it has to wait for.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paired {
    /// The venue.
    pub venue_id: VenueId,
    /// The device, pending.
    pub device: Device,
}

/// Pair a device
///
/// The device waits until a manager has compared the six digits; then it gets its tokens with
/// `createDeviceToken`.
#[utoipa::path(
    operation_id = "pairDevice", tag = "identity", request_body = PairDevice,
    responses((status = 201, body = Paired), WriteRefusals)
)]
#[post("/api/v1/devices/pair")]
pub(crate) async fn post_pair(
    actor: Actor<can::Enter>,
    from: ClientAddress,
    cmd: Body<PairDevice>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let code_hash = hash(&cmd.code);
    let found = app.read(&actor, async |q| devices::find_pairing(q, &code_hash).await).await?;
    let venue =
        found.ok_or_else(|| Rejection::of(&IdentityError::from(DeviceError::NoSuchCode)))?;
    let origin = Origin { address: Some(from.0), ..actor.origin };
    let task = WriteTask { origin, ..WriteTask::job("pair_device", Scope::venue(venue, None)) };
    let written = app
        .db()
        .write(&task, async |tx| pair_device(tx, &cmd, &code_hash).await.map(edge::Created));
    match written.await.map_err(|error| Rejection::of(&error))? {
        Outcome::Done { value, batch, .. } => {
            if let Some(batch) = batch {
                app.bus().publish(batch);
            }
            let paired = Paired { venue_id: venue, device: value.0 };
            Ok(HttpResponse::build(StatusCode::CREATED).json(paired))
        }
        Outcome::Replayed(_) => Err(Rejection::of(&IdentityError::Crypto)),
    }
}

async fn pair_device(
    tx: &mut Tx,
    cmd: &PairDevice,
    code_hash: &[u8],
) -> Result<Device, IdentityError> {
    let pairing = devices::lock_pairing(tx, code_hash).await?;
    let now = tx.now();
    let open = pairing.filter(|pairing| !pairing.used && pairing.expires_at > now);
    let pairing = open.ok_or(DeviceError::NoSuchCode)?;
    let public_key = key(&cmd.public_key).ok_or(IdentityError::Crypto)?;
    let device = Device {
        id: DeviceId::fresh(now),
        name: pairing.name.unwrap_or_else(|| cmd.name.trim().to_owned()),
        model: cmd.model.as_deref().map(|model| model.trim().to_owned()),
        profile: pairing.profile,
        status: DeviceStatus::Pending,
        fingerprint: fingerprint(&public_key),
        seen_at: None,
        online: false,
        app_version: None,
        battery: None,
        queue_length: None,
        version: 1,
        created_at: now,
    };
    devices::insert_device(tx, code_hash.to_vec(), &device, public_key)?;
    tell(tx, "device_created", "paired", &device)?;
    note(tx, "device_paired", &device)?;
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_thirty_two_bytes_in_either_base64() {
        assert_eq!(key(&STANDARD.encode([0xfb; 32])).unwrap(), [0xfb; 32]);
        assert_eq!(key(&URL_SAFE_NO_PAD.encode([0xfb; 32])).unwrap(), [0xfb; 32]);
        for wrong in ["", "AAAA", &STANDARD.encode([1; 33]), "not base64"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}
