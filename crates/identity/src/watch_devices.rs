//! The job that notices silence: a device that reports no more is offline, and whoever looks after the
//! doors hears it.

use edge::App;
use edge::limits::DEVICE_SILENT_SECS;
use kernel::scope::Scope;
use pg::Tx;

use crate::IdentityError;
use crate::devices::save_status;
use crate::store::devices;

/// Venues of one round.
const VENUES_MAX: i64 = 100;
/// Devices of one venue and round; the next round finds the rest.
const DEVICES_MAX: i64 = 100;

/// One round over all venues. Any worker may run it at any time.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn watch_devices(app: &App) -> Result<(), IdentityError> {
    let bounds = (app.clock().offset_micros(), DEVICE_SILENT_SECS);
    let silent = app
        .db()
        .read(Scope::job(), async |q| devices::silent_venues(q, bounds, VENUES_MAX).await)
        .await?;
    for venue in silent {
        app.job("watch_devices", Scope::venue(venue, None), async |tx| fall_silent(tx).await)
            .await?;
    }
    Ok(())
}

async fn fall_silent(tx: &mut Tx) -> Result<(), IdentityError> {
    for mut known in devices::claim_silent(tx, DEVICE_SILENT_SECS, DEVICES_MAX).await? {
        known.device.online = false;
        save_status(tx, known)?;
    }
    Ok(())
}
