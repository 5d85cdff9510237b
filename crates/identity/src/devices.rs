//! Devices of a venue: what they are, what all changes of them have in common, and their list.

use actix_web::{get, web};
use edge::answer::Versioned;
use edge::page::{Items, Page};
use edge::token::sha256;
use edge::{Actor, App, Query, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::event::{Event, Topic};
use kernel::ids::{DeviceId, VenueId};
use kernel::role::Profile;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::IdentityError;
use crate::device_error::{DeviceError, Stale};
use crate::reads::VenuePath;
use crate::store::devices::{self, Known};

/// Groups of five digits that a fingerprint has.
const FINGERPRINT_GROUPS: usize = 4;
/// What a fingerprint is made for, so that the same key elsewhere shows other digits.
const FINGERPRINT_OF: &[u8] = b"rowlock-device-v1";

/// Where a device is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeviceStatus {
    /// It was paired and waits until somebody has compared its fingerprint.
    Pending,
    /// It may be used.
    Approved,
    /// It may not be used any more, for ever.
    Revoked,
}

impl DeviceStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Revoked => "revoked",
        }
    }

    /// The status of that name; a name that is unknown here counts for nothing.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "pending" => Self::Pending,
            "approved" => Self::Approved,
            _ => Self::Revoked,
        }
    }
}

/// A scanner, kiosk, screen or till.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What people call it.
    #[schema(example = "Door 2")]
    pub name: String,
    /// What it says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "iPhone 15")]
    pub model: Option<String>,
    /// What it is for, and so what it may.
    pub profile: Profile,
    /// Whether it may be used.
    pub status: DeviceStatus,
    /// Twenty digits of its key, shown by the device as well: they have to be the same. The first
    /// sixteen bytes of SHA-256 over `rowlock-device-v1` and the key, four at a time as a number,
    /// each modulo 100000.
    #[schema(example = "04291 71833 90127 55410")]
    pub fingerprint: String,
    /// When it was heard of last.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub seen_at: Option<Timestamp>,
    /// Whether it has reported lately: at least every two and a half minutes.
    pub online: bool,
    /// The version of its app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub app_version: Option<String>,
    /// Its battery, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub battery: Option<i16>,
    /// Scans that it has not yet sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub queue_length: Option<i32>,
    /// Rises with every change.
    pub version: i64,
    /// When it was paired.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Versioned for Device {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn instant<S: serde::Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.serialize_str(&kernel::time::text(*at)),
        None => to.serialize_none(),
    }
}

/// Twenty digits of a key, for people to compare: too many for whoever would make keys until one
/// shows the same.
pub(crate) fn fingerprint(public_key: &[u8]) -> String {
    let hash = sha256(&[FINGERPRINT_OF, public_key].concat());
    let groups = hash.chunks(4).take(FINGERPRINT_GROUPS).map(|bytes| {
        let number = bytes.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        format!("{:05}", number % 100_000)
    });
    groups.collect::<Vec<_>>().join(" ")
}

/// `/venues/{venue}/devices/{device}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DevicePath {
    /// The venue.
    #[expect(dead_code, reason = "the actor has read it; here it is only documented")]
    pub venue: VenueId,
    /// The device.
    pub device: DeviceId,
}

/// The device under its lock, as it was seen.
pub(crate) async fn lock_seen(
    tx: &mut Tx,
    id: DeviceId,
    seen: Option<i64>,
) -> Result<Known, IdentityError> {
    let known = devices::lock_device(tx, id).await?.ok_or(DeviceError::NoSuchDevice)?;
    if seen.is_some_and(|seen| seen != known.device.version) {
        return Err(DeviceError::Stale(Stale(Box::new(known.device))).into());
    }
    Ok(known)
}

/// Writes a changed device and tells of it.
pub(crate) fn save(
    tx: &mut Tx,
    mut known: Known,
    action: &'static str,
) -> Result<Device, IdentityError> {
    known.device.version += 1;
    devices::update_device(tx, &known.device, known.vouched_by)?;
    tell(tx, "device_updated", action, &known.device)?;
    Ok(known.device)
}

/// Writes how a device is and tells of it: nothing else of it has changed.
pub(crate) fn save_status(tx: &mut Tx, mut known: Known) -> Result<Device, IdentityError> {
    known.device.version += 1;
    devices::update_device(tx, &known.device, known.vouched_by)?;
    let action = if known.device.online { "online" } else { "offline" };
    tell(tx, "device_status", action, &known.device)?;
    Ok(known.device)
}

/// The event of a device.
pub(crate) fn tell(
    tx: &mut Tx,
    kind: &'static str,
    action: &'static str,
    device: &Device,
) -> Result<(), IdentityError> {
    let entity = ("device", device.id.0, device.version);
    tx.emit(Event::new(Topic::Staff, kind, entity, action, device)?);
    Ok(())
}

/// Writes a privileged change of a device down.
pub(crate) fn note(
    tx: &mut Tx,
    action: &'static str,
    device: &Device,
) -> Result<(), IdentityError> {
    let detail = serde_json::json!({ "name": device.name, "profile": device.profile });
    Ok(tx.audit(action, ("device", device.id.0), &detail)?)
}

/// List the devices of a venue
///
/// Also those that wait for approval and those that were revoked.
#[utoipa::path(
    operation_id = "listDevices", tag = "identity", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Device>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/devices")]
pub(crate) async fn list_devices(
    actor: Actor<can::ManageDevices>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Device>>, Rejection> {
    let bounds = page.bounds()?;
    app.read(&actor, async |q| {
        let found = devices::list_devices(q, bounds).await?;
        Ok::<_, IdentityError>(web::Json(Items::of(found, bounds.0, |device| device.id.0)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_twenty_digits_and_is_the_keys() {
        let one = fingerprint(&[1; 32]);
        let groups: Vec<&str> = one.split(' ').collect();
        assert_eq!(groups.len(), 4, "{one}");
        assert!(groups.iter().all(|group| group.len() == 5 && group.parse::<u32>().is_ok()));
        assert_eq!(one, fingerprint(&[1; 32]));
        assert_ne!(one, fingerprint(&[2; 32]));
    }

    #[test]
    fn every_status_survives_the_database() {
        for status in [DeviceStatus::Pending, DeviceStatus::Approved, DeviceStatus::Revoked] {
            assert_eq!(DeviceStatus::from_name(status.as_str()), status);
        }
    }
}
