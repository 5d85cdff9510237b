//! Approve a device: somebody has compared its fingerprint and vouches for it.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::DeviceId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::device_error::DeviceError;
use crate::devices::{Device, DevicePath, DeviceStatus, lock_seen, note, save};

/// Digits that a fingerprint has.
const FINGERPRINT_DIGITS: usize = 20;

/// What the device shows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApproveDevice {
    /// The twenty digits on the device's own screen, with or without spaces.
    #[schema(min_length = 20, max_length = 40, example = "04291 71833 90127 55410")]
    pub fingerprint: String,
}

impl Input for ApproveDevice {
    fn check(&self, errors: &mut Errors) {
        let all = digits(&self.fingerprint);
        let whole =
            all.len() == FINGERPRINT_DIGITS && all.bytes().all(|byte| byte.is_ascii_digit());
        errors.require(whole, "/fingerprint", "digits", "Give the twenty digits that it shows.");
    }
}

/// The digits without what stands between them.
fn digits(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Approve a device
///
/// Compare the digits with those on the device. Whoever approves vouches for it: when they are no
/// longer a manager, it stops until somebody else approves it.
#[utoipa::path(
    operation_id = "approveDevice", tag = "identity", params(DevicePath),
    request_body = ApproveDevice, security(("bearer" = [])),
    responses((status = 200, body = Device), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/devices/{device}/approve")]
pub(crate) async fn post_approve(
    actor: Actor<can::ManageDevices>,
    once: OnceIfGiven,
    at: Path<DevicePath>,
    cmd: Body<ApproveDevice>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (once, id) = (once.of(&cmd), at.device);
    app.write(&actor, once, async move |tx| approve_device(tx, id, &cmd).await.map(Done)).await
}

async fn approve_device(
    tx: &mut Tx,
    id: DeviceId,
    cmd: &ApproveDevice,
) -> Result<Device, IdentityError> {
    let mut known = lock_seen(tx, id, None).await?;
    if known.device.status == DeviceStatus::Revoked {
        return Err(DeviceError::Revoked.into());
    }
    if digits(&known.device.fingerprint) != digits(&cmd.fingerprint) {
        return Err(DeviceError::OtherFingerprint.into());
    }
    known.device.status = DeviceStatus::Approved;
    known.vouched_by = tx.scope().user;
    note(tx, "device_approved", &known.device)?;
    save(tx, known, "approved")
}
