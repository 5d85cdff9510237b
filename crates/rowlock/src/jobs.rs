//! What runs beside requests. Every worker runs every job; each job can bear that.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use booking::carry_out::{FIND_LOST_EVERY, find_lost};
use booking::expire_holds::{SWEEP_EVERY, expire_holds};
use booking::move_lines::{self, MOVE_EVERY};
use booking::offer_seats::offer_seats;
use booking::request_seal::RequestSeal;
use edge::App;

use crate::anchor::{self, AnchorKey};
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
/// How often it is looked whether devices have fallen silent.
const WATCH_DEVICES_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether something of old scans is to be forgotten.
const FORGET_SCANS_EVERY: Duration = Duration::from_mins(10);
/// How often the doors are looked after.
const WATCH_DOORS_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether customers are to be forgotten.
const FORGET_CUSTOMERS_EVERY: Duration = Duration::from_secs(1);
/// How often mails that are due are looked for.
const SEND_MAILS_EVERY: Duration = Duration::from_secs(1);
/// How often the heads of the audit chains are noted in this worker's log.
const NOTE_HEADS_EVERY: Duration = Duration::from_mins(10);
/// How often lines are looked at whose quotes may have changed.
const QUOTE_EVERY: Duration = Duration::from_secs(3);
/// How often floors are looked at that may need a keyframe.
const KEEP_KEYFRAMES_EVERY: Duration = Duration::from_mins(1);
/// How often pushes that are due are looked for.
const SEND_PUSHES_EVERY: Duration = Duration::from_secs(1);
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
    let guests = app.clone();
    every("forget_old_guests", FORGET_OLD_EVERY, move || {
        let app = guests.clone();
        async move { gala::forget_old::forget_old(&app).await.map_err(|error| error.to_string()) }
    });
    mails(app, worker);
    floors(app);
    spas(app);
    revocations(app, &keys, watch);
    let worker = worker.clone();
    every("upkeep_metrics", UPKEEP_EVERY, move || {
        worker.upkeep_metrics();
        async { Ok(()) }
    });
}

/// What smooths a rush: requests that are done later, on connections of their own, and lines.
pub(crate) fn rushes(app: &App, hands: &App, seal: &RequestSeal, worker: &Worker) {
    let going = worker.clone();
    let carrying =
        booking::carry_out::carry_out(hands.clone(), seal.clone(), move || going.is_going());
    actix_web::rt::spawn(carrying);
    let (finder, seal) = (hands.clone(), seal.clone());
    every("find_lost_requests", FIND_LOST_EVERY, move || {
        let (app, seal) = (finder.clone(), seal.clone());
        async move { find_lost(&app, &seal).await.map_err(|error| error.to_string()) }
    });
    let mover = app.clone();
    every("move_lines", MOVE_EVERY, move || {
        let app = mover.clone();
        async move { move_lines::move_lines(&app).await.map_err(|error| error.to_string()) }
    });
    let forgetter = app.clone();
    every("forget_rushes", FORGET_OLD_EVERY, move || {
        let app = forgetter.clone();
        async move {
            booking::carry_out::forget_old(&app).await.map_err(|error| error.to_string())?;
            move_lines::forget_old(&app).await.map_err(|error| error.to_string())
        }
    });
}

/// The jobs of `spa`.
fn spas(app: &App) {
    let sweeper = app.clone();
    every("sweep_claims", spa::sweep_claims::SWEEP_EVERY, move || {
        let app = sweeper.clone();
        async move { spa::sweep_claims::sweep_claims(&app).await.map_err(|error| error.to_string()) }
    });
    let forgetter = app.clone();
    every("forget_names", spa::forget_names::FORGET_NAMES_EVERY, move || {
        let app = forgetter.clone();
        async move { spa::forget_names::forget_names(&app).await.map_err(|error| error.to_string()) }
    });
    let eraser = app.clone();
    every("forget_customers", FORGET_CUSTOMERS_EVERY, move || {
        let app = eraser.clone();
        async move { crate::person::forget_customers(&app).await.map_err(|error| error.to_string()) }
    });
    let sweeper = app.clone();
    every("send_home", spa::sweep_claims::SEND_HOME_EVERY, move || {
        let app = sweeper.clone();
        async move { spa::sweep_claims::send_home(&app).await.map_err(|error| error.to_string()) }
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

/// What a database cannot take back.
pub(crate) fn anchors(app: &App, key: AnchorKey) {
    let (db, key) = (app.db().clone(), Arc::new(key));
    every("note_audit_heads", NOTE_HEADS_EVERY, move || {
        let (db, key) = (db.clone(), Arc::clone(&key));
        async move { anchor::note_heads(&db, &key).await.map_err(|error| error.to_string()) }
    });
}

/// The jobs of `floor` besides its sweep.
fn floors(app: &App) {
    let quoter = app.clone();
    every("quote_anew", QUOTE_EVERY, move || {
        let app = quoter.clone();
        async move { floor::quote_anew::quote_anew(&app).await.map_err(|error| error.to_string()) }
    });
    let keeper = app.clone();
    every("keep_keyframes", KEEP_KEYFRAMES_EVERY, move || {
        let app = keeper.clone();
        async move {
            let kept = floor::keep_keyframes::keep_keyframes(&app, LOG_DAYS).await;
            kept.map_err(|error| error.to_string())
        }
    });
}

/// What card providers are still to be asked.
pub(crate) fn errands(app: &App, till: &payments::Till) {
    let (app, till) = (app.clone(), till.clone());
    // It sleeps by itself until something is to be asked.
    every("run_errands", Duration::ZERO, move || {
        let (app, till) = (app.clone(), till.clone());
        async move { payments::run_errands(&app, &till).await.map_err(|error| error.to_string()) }
    });
}

/// Mails with tickets, and a look at the doors.
pub(crate) fn tickets(app: &App, keeper: &tickets::Keeper, public_url: &str) {
    let (sender, keeper, url) = (app.clone(), keeper.clone(), Arc::<str>::from(public_url));
    every("mail_tickets", SEND_MAILS_EVERY, move || {
        let (app, keeper, url) = (sender.clone(), keeper.clone(), Arc::clone(&url));
        async move {
            let sent = tickets::mail_tickets::mail_tickets(&app, &keeper, &url).await;
            sent.map_err(|error| error.to_string())
        }
    });
    let watcher = app.clone();
    every("watch_doors", WATCH_DOORS_EVERY, move || {
        let app = watcher.clone();
        async move { tickets::watch_doors::watch_doors(&app).await.map_err(|error| error.to_string()) }
    });
    let watcher = app.clone();
    every("watch_devices", WATCH_DEVICES_EVERY, move || {
        let app = watcher.clone();
        async move { identity::watch_devices(&app).await.map_err(|error| error.to_string()) }
    });
    let forgetter = app.clone();
    every("forget_scans", FORGET_SCANS_EVERY, move || {
        let app = forgetter.clone();
        async move { tickets::forget_scans::forget_scans(&app).await.map_err(|error| error.to_string()) }
    });
}

/// The jobs of `notify`.
fn mails(app: &App, worker: &Worker) {
    let (db, mailer) = (app.db().clone(), worker.mailer().clone());
    every("send_mails", SEND_MAILS_EVERY, move || {
        let (db, mailer) = (db.clone(), mailer.clone());
        async move { notify::send_mails(&db, &mailer).await.map_err(|error| error.to_string()) }
    });
    let (db, pusher) = (app.db().clone(), worker.pusher().clone());
    every("send_pushes", SEND_PUSHES_EVERY, move || {
        let (db, pusher) = (db.clone(), pusher.clone());
        async move { notify::send_pushes(&db, &pusher).await.map_err(|error| error.to_string()) }
    });
    let db = app.db().clone();
    every("forget_mails", FORGET_OLD_EVERY, move || {
        let db = db.clone();
        async move {
            notify::forget_mails(&db).await.map_err(|error| error.to_string())?;
            notify::forget_pushes(&db).await.map_err(|error| error.to_string())
        }
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
