//! Tokens of devices: the server asks, the device signs with its key, and gets an access token that
//! is bound to it.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, post, web};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use edge::token::{DeviceClaim, ISSUER, Payload};
use edge::{Actor, App, Body, Input, Rejection, WriteRefusals, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{DeviceId, SessionId, VenueId};
use kernel::scope::Scope;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::device_error::DeviceError;
use crate::devices::{Device, DeviceStatus, lock_seen};
use crate::session::{ACCESS_TOKEN_LIFE, sign};
use crate::state::Identity;
use crate::store::devices;
use crate::{IdentityError, task};

/// How long a challenge may be answered.
const CHALLENGE_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// What is signed begins with this: a signature for anything else is none for a token.
const PURPOSE: &str = "rowlock-device-token-v1";

/// Which device.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Challenge {
    /// The venue that it was paired with.
    pub venue_id: VenueId,
    /// The device.
    pub device_id: DeviceId,
}

impl Input for Challenge {}

/// What the device has to sign.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Challenged {
    /// Good for one answer.
    pub nonce: String,
    /// Until when it may be answered.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A challenge with its answer.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateDeviceToken {
    /// The venue that it was paired with.
    pub venue_id: VenueId,
    /// The device.
    pub device_id: DeviceId,
    /// The nonce of the challenge.
    #[schema(max_length = 200)]
    pub nonce: String,
    /// The device's own clock, as it is signed.
    #[schema(max_length = 40, example = "2026-09-02T06:03:11.039837Z")]
    pub time: String,
    /// Ed25519 over the lines `rowlock-device-token-v1`, venue, device, nonce and time, joined by a
    /// line feed: 64 bytes in base64.
    #[schema(max_length = 88)]
    pub signature: String,
}

impl Input for CreateDeviceToken {
    fn check(&self, errors: &mut edge::body::Errors) {
        let time = self.time.parse::<Timestamp>().is_ok();
        errors.require(time, "/time", "time", "Give a time like 2026-09-02T06:03:11.039837Z.");
    }
}

/// What a device may use for ten minutes.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceToken {
    /// Send it as `Authorization: Bearer …`. Never in a URL.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// When it ends.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// How far the device's clock is behind the server's, in milliseconds.
    #[schema(example = 340)]
    pub clock_behind_ms: i64,
    /// The device.
    pub device: Device,
}

/// Challenge a device
///
/// The answer is the same whether or not there is such a device.
#[utoipa::path(
    operation_id = "challengeDevice", tag = "identity", request_body = Challenge,
    responses((status = 200, body = Challenged), WriteRefusals)
)]
#[post("/api/v1/devices/challenge")]
pub(crate) async fn post_challenge(
    _: Actor<can::Enter>,
    cmd: Body<Challenge>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let now = kernel::time::micros(app.clock().now());
    let sealed = identity
        .keys
        .seal()
        .seal(&now.as_microsecond().to_be_bytes(), &belongs_to(cmd.venue_id, cmd.device_id))
        .map_err(|_| Rejection::of(&IdentityError::Crypto))?;
    let nonce = URL_SAFE_NO_PAD.encode(sealed);
    let challenged = Challenged { nonce, expires_at: now + CHALLENGE_LIFE };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(challenged))
}

/// Create a device token
///
/// The device proves that it has its key by signing the challenge and its time. The token counts in
/// the venue only, for what the device's profile says, and for ten minutes.
#[utoipa::path(
    operation_id = "createDeviceToken", tag = "identity", request_body = CreateDeviceToken,
    responses((status = 200, body = DeviceToken), WriteRefusals)
)]
#[post("/api/v1/devices/token")]
pub(crate) async fn post_token(
    _: Actor<can::Enter>,
    cmd: Body<CreateDeviceToken>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let minted = task::to_the_end(async move {
        // The venue only says where to look for the key: the signature decides.
        let scope = Scope::venue(cmd.venue_id, None);
        let asked_at = challenge_time(&identity, &cmd)?;
        let created = task::write(app.db(), "create_device_token", scope, async |tx| {
            create_device_token(tx, &cmd, asked_at).await
        });
        let (payload, device) = created.await.inspect_err(|error| {
            // It has shown that it is this device, and nobody wants it here.
            let known =
                matches!(error, IdentityError::Device(DeviceError::Revoked | DeviceError::Pending));
            if known {
                app.note_refused(cmd.venue_id, cmd.device_id);
            }
        })?;
        let (expires_at, minted_at) = (instant(payload.exp)?, instant(payload.iat)?);
        let told: Timestamp = cmd.time.parse().map_err(|_| DeviceError::WrongProof)?;
        let behind = minted_at.duration_since(told).as_millis();
        Ok(DeviceToken {
            access_token: sign(&identity.keys.signer(), &payload)?,
            token_type: "Bearer",
            expires_at,
            clock_behind_ms: i64::try_from(behind).unwrap_or(i64::MAX),
            device,
        })
    });
    let token = minted.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(token))
}

fn instant(secs: i64) -> Result<Timestamp, IdentityError> {
    Timestamp::from_second(secs).map_err(|_| IdentityError::Crypto)
}

/// What a challenge is sealed for: one device cannot answer another's.
fn belongs_to(venue: VenueId, device: DeviceId) -> Vec<u8> {
    [b"device challenge".as_slice(), venue.0.as_bytes(), device.0.as_bytes()].concat()
}

/// When the challenge was given; the seal is the proof that we gave it.
fn challenge_time(
    identity: &Identity,
    cmd: &CreateDeviceToken,
) -> Result<Timestamp, IdentityError> {
    let sealed = URL_SAFE_NO_PAD.decode(&cmd.nonce).map_err(|_| DeviceError::WrongProof)?;
    let plain = identity.keys.seal().open(&sealed, &belongs_to(cmd.venue_id, cmd.device_id));
    let bytes = plain.ok().and_then(|plain| <[u8; 8]>::try_from(plain.as_slice()).ok());
    let micros = i64::from_be_bytes(bytes.ok_or(DeviceError::WrongProof)?);
    Ok(Timestamp::from_microsecond(micros).map_err(|_| DeviceError::WrongProof)?)
}

/// The rule.
async fn create_device_token(
    tx: &mut Tx,
    cmd: &CreateDeviceToken,
    asked_at: Timestamp,
) -> Result<(Payload, Device), IdentityError> {
    let known = match lock_seen(tx, cmd.device_id, None).await {
        // A device that is not there fails like one with another key.
        Err(IdentityError::Device(DeviceError::NoSuchDevice)) => {
            return Err(DeviceError::WrongProof.into());
        }
        other => other?,
    };
    let now = tx.now();
    let fresh = now.duration_since(asked_at) <= CHALLENGE_LIFE
        && known.answered_at.is_none_or(|before| before < asked_at);
    if !fresh || !proves(&known.public_key, cmd) {
        return Err(DeviceError::WrongProof.into());
    }
    match known.device.status {
        DeviceStatus::Pending => return Err(DeviceError::Pending.into()),
        DeviceStatus::Revoked => return Err(DeviceError::Revoked.into()),
        DeviceStatus::Approved => {}
    }
    let voucher = known.vouched_by.ok_or(DeviceError::Pending)?;
    if !devices::may_vouch(tx, voucher).await? {
        return Err(DeviceError::Pending.into());
    }
    devices::set_answered(tx, cmd.device_id, asked_at, now)?;
    let (id, venue, profile) = (cmd.device_id, tx.venue()?, known.device.profile);
    let payload = Payload {
        iss: ISSUER.to_owned(),
        aud: ISSUER.to_owned(),
        sub: voucher,
        sid: SessionId(id.0),
        iat: now.as_second(),
        nbf: now.as_second(),
        exp: (now + ACCESS_TOKEN_LIFE).as_second(),
        jti: Uuid::new_v4().simple().to_string(),
        roles: std::collections::HashMap::new(),
        dev: Some(DeviceClaim { id, venue, profile }),
    };
    Ok((payload, known.device))
}

fn proves(public_key: &[u8], cmd: &CreateDeviceToken) -> bool {
    let CreateDeviceToken { venue_id, device_id, nonce, time, signature } = cmd;
    let signed = format!("{PURPOSE}\n{venue_id}\n{device_id}\n{nonce}\n{time}");
    let plain = signature.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(plain).or_else(|_| STANDARD.decode(signature));
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    bytes.is_ok_and(|bytes| key.verify(signed.as_bytes(), &bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn a_signature_proves_exactly_what_was_signed() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let (venue_id, device_id) = (VenueId(Uuid::from_u128(1)), DeviceId(Uuid::from_u128(2)));
        let (nonce, time) = ("abc".to_owned(), "2026-09-02T06:03:11Z".to_owned());
        let text = format!("{PURPOSE}\n{venue_id}\n{device_id}\n{nonce}\n{time}");
        let signature = STANDARD.encode(pair.sign(text.as_bytes()));
        let cmd = CreateDeviceToken { venue_id, device_id, nonce, time, signature };
        let key = pair.public_key().as_ref();
        assert!(proves(key, &cmd));
        let other = CreateDeviceToken { nonce: "abd".to_owned(), ..cmd.clone() };
        assert!(!proves(key, &other));
        let other = CreateDeviceToken { time: "2026-09-02T06:03:12Z".to_owned(), ..cmd.clone() };
        assert!(!proves(key, &other));
        let other = CreateDeviceToken { device_id: DeviceId(Uuid::from_u128(3)), ..cmd.clone() };
        assert!(!proves(key, &other));
        assert!(!proves(&[0; 32], &cmd));
    }
}
