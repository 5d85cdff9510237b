//! Rename a device.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::DeviceId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::devices::{Device, DevicePath, lock_seen, save};

/// Its new name.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RenameDevice {
    /// What people will call it.
    #[schema(min_length = 1, max_length = 120, example = "Door 2")]
    pub name: String,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for RenameDevice {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
    }
}

/// Rename a device
#[utoipa::path(
    operation_id = "renameDevice", tag = "identity", params(DevicePath),
    request_body = RenameDevice, security(("bearer" = [])),
    responses((status = 200, body = Device), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/devices/{device}/rename")]
pub(crate) async fn post_rename(
    actor: Actor<can::ManageDevices>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<DevicePath>,
    cmd: Body<RenameDevice>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (once, id) = (once.of(&cmd), at.device);
    app.write(&actor, once, async move |tx| {
        rename_device(tx, id, seen.0.or(cmd.version), &cmd.name).await.map(Done)
    })
    .await
}

async fn rename_device(
    tx: &mut Tx,
    id: DeviceId,
    seen: Option<i64>,
    name: &str,
) -> Result<Device, IdentityError> {
    let mut known = lock_seen(tx, id, seen).await?;
    name.trim().clone_into(&mut known.device.name);
    save(tx, known, "renamed")
}
