//! What runs beside requests. Every worker runs every job; each job can bear that.

use std::future::Future;
use std::time::Duration;

use booking::expire_holds::{SWEEP_EVERY, expire_holds};
use booking::offer_seats::offer_seats;
use edge::App;

use crate::telemetry::UPKEEP_EVERY;
use crate::worker::Worker;

/// How often the log's partitions are made and dropped.
const KEEP_LOG_EVERY: Duration = Duration::from_hours(1);
/// How often the signing keys are looked after.
const KEEP_KEYS_EVERY: Duration = Duration::from_secs(1);
/// How often a worker looks for what was taken back elsewhere.
const WATCH_REVOCATIONS_EVERY: Duration = Duration::from_secs(2);
/// How often sessions and attempts that are over are forgotten.
const FORGET_OLD_EVERY: Duration = Duration::from_hours(1);
/// How often mails that are due are looked for.
const SEND_MAILS_EVERY: Duration = Duration::from_secs(1);
/// How long the log is kept, in days.
const LOG_DAYS: i32 = 7;

/// Starts all jobs on this thread's runtime; they end with it.
pub(crate) fn start(app: &App, keys: identity::Keys, watch: &identity::Watch, worker: &Worker) {
    let sweeper = app.clone();
    every("expire_holds", SWEEP_EVERY, move || {
        let app = sweeper.clone();
        async move { expire_holds(&app).await.map_err(|error| error.to_string()) }
    });
    let sweeper = app.clone();
    every("expire_table_holds", SWEEP_EVERY, move || {
        let app = sweeper.clone();
        async move { floor::expire_holds::expire_holds(&app).await.map_err(|error| error.to_string()) }
    });
    let offerer = app.clone();
    // It sleeps by itself until seats come free.
    every("offer_seats", Duration::ZERO, move || {
        let app = offerer.clone();
        async move { offer_seats(&app).await.map_err(|error| error.to_string()) }
    });
    let db = app.db().clone();
    every("keep_log", KEEP_LOG_EVERY, move || {
        let db = db.clone();
        async move { db.keep_log(LOG_DAYS).await.map_err(|error| error.to_string()) }
    });
    let (db, kept) = (app.db().clone(), keys.clone());
    every("keep_keys", KEEP_KEYS_EVERY, move || {
        let (db, keys) = (db.clone(), kept.clone());
        async move { keys.keep(&db).await.map_err(|error| error.to_string()) }
    });
    let db = app.db().clone();
    every("forget_old", FORGET_OLD_EVERY, move || {
        let db = db.clone();
        async move { identity::forget_old(&db).await.map_err(|error| error.to_string()) }
    });
    mails(app, worker);
    revocations(app, &keys, watch);
    let worker = worker.clone();
    every("upkeep_metrics", UPKEEP_EVERY, move || {
        worker.upkeep_metrics();
        async { Ok(()) }
    });
}

/// Nobody tells a worker of everything: Redis may be away, or not there at all.
fn revocations(app: &App, keys: &identity::Keys, watch: &identity::Watch) {
    let (app, keys, watch) = (app.clone(), keys.clone(), watch.clone());
    every("watch_revocations", WATCH_REVOCATIONS_EVERY, move || {
        let (app, keys, watch) = (app.clone(), keys.clone(), watch.clone());
        async move {
            let looked = watch.look(app.db(), app.bus(), &keys).await;
            looked.map_err(|error| error.to_string())
        }
    });
}

/// The jobs of `notify`.
fn mails(app: &App, worker: &Worker) {
    let (db, mailer) = (app.db().clone(), worker.mailer().clone());
    every("send_mails", SEND_MAILS_EVERY, move || {
        let (db, mailer) = (db.clone(), mailer.clone());
        async move { notify::send_mails(&db, &mailer).await.map_err(|error| error.to_string()) }
    });
    let db = app.db().clone();
    every("forget_mails", FORGET_OLD_EVERY, move || {
        let db = db.clone();
        async move { notify::forget_mails(&db).await.map_err(|error| error.to_string()) }
    });
}

/// Runs `job` again and again with `pause` between. A failure is logged; the next round is the
/// retry.
fn every<F>(name: &'static str, pause: Duration, job: impl Fn() -> F + 'static)
where
    F: Future<Output = Result<(), String>> + 'static,
{
    actix_web::rt::spawn(async move {
        loop {
            if let Err(error) = job().await {
                metrics::counter!("job_failures_total", "job" => name).increment(1);
                tracing::warn!(job = name, error, "job failed");
            }
            tokio::time::sleep(pause).await;
        }
    });
}
