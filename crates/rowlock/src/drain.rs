//! From SIGTERM to the end: not ready, sockets told, writes ended.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{SignalKind, signal};

use crate::worker::Worker;

/// Over how long the sockets are told to go, so that they do not all come back at once.
const SPREAD: Duration = Duration::from_secs(3);

/// Waits for SIGTERM or SIGINT, then drains. A second signal ends at once.
pub(crate) async fn on_signal(worker: Worker, server: ServerHandle, delay: Duration) {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened to");
        return;
    };
    tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
    tracing::info!("drain: not ready any more, serving on for {delay:?}");
    worker.go();
    let calm = async {
        // The balancer needs a moment to look away; until then requests are served as always.
        tokio::time::sleep(delay).await;
        tracing::info!(sockets = worker.hub().sockets(), "drain: telling the sockets");
        worker.hub().drain(SPREAD).await;
        tracing::info!("drain: ending what runs");
        server.stop(true).await;
    };
    tokio::select! {
        () = calm => {}
        _ = term.recv() => server.stop(false).await,
        _ = int.recv() => server.stop(false).await,
    }
}
