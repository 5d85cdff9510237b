//! Revoke a device: lost, broken or given away. There is no way back.

use actix_web::{post, web};
use bus::Control;
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::DeviceId;
use pg::Tx;

use crate::IdentityError;
use crate::devices::{Device, DevicePath, DeviceStatus, lock_seen, note, save};

/// Revoke a device
///
/// It writes nothing more, its sockets are closed within a second, and it gets no other token. The
/// same device can be paired again, as a new one.
#[utoipa::path(
    operation_id = "revokeDevice", tag = "identity", params(DevicePath), request_body = Nothing,
    security(("bearer" = [])), responses((status = 200, body = Device), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/devices/{device}/revoke")]
pub(crate) async fn post_revoke(
    actor: Actor<can::ManageDevices>,
    once: OnceIfGiven,
    at: Path<DevicePath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (once, id) = (once.of(&cmd), at.device);
    let app = app.as_ref().clone();
    // To its end, even when the client goes away: the sockets have to be closed.
    let running = actix_web::rt::spawn(async move {
        let answer =
            app.write(&actor, once, async move |tx| revoke_device(tx, id).await.map(Done)).await?;
        app.bus().publish_control(Control::DeviceRevoked { device: id.0 });
        Ok(answer)
    });
    running.await.unwrap_or_else(|_| Err(Rejection::of(&IdentityError::Crypto)))
}

async fn revoke_device(tx: &mut Tx, id: DeviceId) -> Result<Device, IdentityError> {
    let mut known = lock_seen(tx, id, None).await?;
    if known.device.status == DeviceStatus::Revoked {
        return Ok(known.device);
    }
    known.device.status = DeviceStatus::Revoked;
    known.device.online = false;
    note(tx, "device_revoked", &known.device)?;
    save(tx, known, "revoked")
}
