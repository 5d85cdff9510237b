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

/// What the device shows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApproveDevice {
    /// The six digits on the device's own screen.
    #[schema(min_length = 6, max_length = 6, example = "042917")]
    pub fingerprint: String,
}

impl Input for ApproveDevice {
    fn check(&self, errors: &mut Errors) {
        let digits = self.fingerprint.bytes().all(|byte| byte.is_ascii_digit());
        let six = self.fingerprint.len() == 6 && digits;
        errors.require(six, "/fingerprint", "digits", "Give the six digits that it shows.");
    }
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
    if known.device.fingerprint != cmd.fingerprint {
        return Err(DeviceError::OtherFingerprint.into());
    }
    known.device.status = DeviceStatus::Approved;
    known.vouched_by = tx.scope().user;
    note(tx, "device_approved", &known.device)?;
    save(tx, known, "approved")
}
