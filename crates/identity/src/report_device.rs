//! Report a device: it says itself how it is.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Done, Input, Rejection, WriteRefusals, can};
use kernel::ids::DeviceId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::devices::{Device, DeviceStatus, lock_seen, save_status};
use crate::reads::VenuePath;

/// How it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReportDevice {
    /// The version of its app.
    #[schema(nullable = false, min_length = 1, max_length = 40, example = "2.4.1")]
    pub app_version: Option<String>,
    /// Its battery, in percent.
    #[schema(nullable = false, minimum = 0, maximum = 100, example = 81)]
    pub battery: Option<i16>,
    /// Scans that it has not yet sent.
    #[schema(nullable = false, minimum = 0, example = 0)]
    pub queue_length: Option<i32>,
}

impl Input for ReportDevice {
    fn check(&self, errors: &mut Errors) {
        if let Some(version) = &self.app_version {
            errors.text(version, "/appVersion", (1, 40));
        }
        let percent = self.battery.is_none_or(|battery| (0..=100).contains(&battery));
        errors.require(percent, "/battery", "range", "A battery has 0 to 100 percent.");
        let counted = self.queue_length.is_none_or(|length| length >= 0);
        errors.require(counted, "/queueLength", "range", "Nothing is less than empty.");
    }
}

/// Report how this device is
///
/// With the device's own token, once a minute: a device that is silent for two and a half minutes is
/// told to be offline. What is absent stays as it was told last.
#[utoipa::path(
    operation_id = "reportDevice", tag = "identity", params(VenuePath),
    request_body = ReportDevice, security(("bearer" = [])),
    responses((status = 200, body = Device), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/devices/me/status")]
pub(crate) async fn post_status(
    actor: Actor<can::ReportDevice>,
    cmd: Body<ReportDevice>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = actor.scope.device.ok_or_else(|| Rejection::from(pg::DbError::Forbidden))?;
    app.write(&actor, None, async move |tx| report_device(tx, id, &cmd).await.map(Done)).await
}

async fn report_device(
    tx: &mut Tx,
    id: DeviceId,
    cmd: &ReportDevice,
) -> Result<Device, IdentityError> {
    let mut known = lock_seen(tx, id, None).await?;
    let device = &mut known.device;
    device.seen_at = Some(tx.now());
    device.online = device.status == DeviceStatus::Approved;
    device.app_version = cmd.app_version.clone().or(device.app_version.take());
    device.battery = cmd.battery.or(device.battery);
    device.queue_length = cmd.queue_length.or(device.queue_length);
    save_status(tx, known)
}
