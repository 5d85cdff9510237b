//! Carry out what was asked for with `Prefer: respond-async`: the same rules under the same keys.
//!
//! A worker takes from the stream what it has hands for. What it does not finish comes to another
//! after a few seconds, and what the stream has lost is found in the database: a request that
//! was accepted is done, and done once.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use edge::answer::Created;
use edge::{App, Rejection, later};
use jiff::SignedDuration;
use kernel::ids::{RequestId, ShowId, UserId, VenueId};
use kernel::problem::Problem;
use kernel::role::{Needs, Standing, can};
use kernel::scope::{Origin, Scope};
use pg::{Reply, Tx, WriteTask};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::BookingError;
use crate::book_seats::{BookSeats, book_seats};
use crate::bundle::Bundle;
use crate::hold_seats::{HoldSeats, hold_seats};
use crate::hold_shows::{HoldShows, hold_shows};
use crate::model::{Booking, Hold};
use crate::request::named;
use crate::request_seal::RequestSeal;
use crate::store::requests::{self, Asked, Refused};

/// Requests that one worker does at a time; so many connections it needs for them.
pub const LANES: usize = 4;
/// How long a request is tried again that the server could not do. Nobody waits for seats longer.
const TRIED_MAX: SignedDuration = SignedDuration::from_mins(10);
/// How often each worker looks for requests that the stream has lost.
pub const FIND_LOST_EVERY: Duration = Duration::from_secs(1);

/// What can be done later: an operation and what was sent to it. One line each here, in `name` and
/// in `run`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "camelCase")]
pub(crate) enum Command {
    HoldSeats { show: ShowId, sent: HoldSeats },
    HoldShows { sent: HoldShows },
    BookSeats { show: ShowId, sent: BookSeats },
}

impl Command {
    /// The operation, as the API names it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::HoldSeats { .. } => "holdSeats",
            Self::HoldShows { .. } => "holdShows",
            Self::BookSeats { .. } => "bookSeats",
        }
    }

    async fn run(
        &self,
        tx: &mut Tx,
        user: UserId,
        standing: Standing,
    ) -> Result<Made, BookingError> {
        Ok(match self {
            Self::HoldSeats { show, sent } => {
                Made::Hold(Box::new(Created(hold_seats(tx, *show, user, sent, standing).await?)))
            }
            Self::HoldShows { sent } => {
                Made::Bundle(Box::new(Created(hold_shows(tx, user, sent, standing).await?)))
            }
            Self::BookSeats { show, sent } => Made::Booking(Box::new(Created(
                book_seats(tx, *show, (user, standing), sent).await?,
            ))),
        })
    }
}

/// What came of a command; it says what it would have said at once.
enum Made {
    Hold(Box<Created<Hold>>),
    Bundle(Box<Created<Bundle>>),
    Booking(Box<Created<Booking>>),
}

impl Made {
    fn reply(&self) -> &dyn Reply {
        match self {
            Self::Hold(made) => made.as_ref(),
            Self::Bundle(made) => made.as_ref(),
            Self::Booking(made) => made.as_ref(),
        }
    }
}

impl Reply for Made {
    fn status(&self) -> u16 {
        self.reply().status()
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        self.reply().json()
    }

    fn version(&self) -> Option<i64> {
        self.reply().version()
    }
}

/// Takes requests from the stream and does them, until `going` says so.
pub async fn carry_out(app: App, seal: RequestSeal, going: impl Fn() -> bool) {
    let Some(mut taker) = app.bus().work().taker() else { return };
    let lanes = Arc::new(Semaphore::new(LANES));
    while !going() {
        // No more than there are hands for: the rest is for the other workers.
        let Ok(hand) = Arc::clone(&lanes).acquire_owned().await else { return };
        drop(hand);
        for piece in taker.take(lanes.available_permits().max(1)).await {
            let Ok(hand) = Arc::clone(&lanes).acquire_owned().await else { return };
            let (app, seal) = (app.clone(), seal.clone());
            actix_web::rt::spawn(async move {
                let settled = match named(&piece.text) {
                    Some((venue, id)) => settle(&app, &seal, (venue, id)).await,
                    None => Ok(()),
                };
                match settled {
                    Ok(()) => app.bus().work().done(&piece.id).await,
                    // It stays in this worker's name, and comes again when it has been long enough.
                    Err(error) => tracing::debug!(%error, "a request is tried again"),
                }
                drop(hand);
            });
        }
    }
}

/// Finds requests that no stream has and does them. Redis was emptied, or is away.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn find_lost(app: &App, seal: &RequestSeal) -> Result<(), BookingError> {
    let idle = app.bus().work().waiting().await.unwrap_or(0) == 0;
    let found = RefCell::new(Vec::new());
    app.job("find_lost_requests", Scope::job(), async |tx| {
        found.replace(requests::claim_lost(tx, idle).await?);
        Ok::<_, BookingError>(())
    })
    .await?;
    for (venue, id) in found.take() {
        metrics::counter!("booking_requests_found_total").increment(1);
        if let Err(error) = settle(app, seal, (venue, id)).await {
            tracing::debug!(%error, "a request is tried again");
        }
    }
    Ok(())
}

/// Forgets requests whose answers are forgotten.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn forget_old(app: &App) -> Result<(), BookingError> {
    app.job("forget_requests", Scope::job(), async |tx| {
        requests::forget(tx);
        Ok(())
    })
    .await
}

/// Does one request and closes it. An error: it is to be tried again.
async fn settle(
    app: &App,
    seal: &RequestSeal,
    (venue, id): (VenueId, RequestId),
) -> Result<(), Rejection> {
    let read = app.db().read(Scope::venue(venue, None), async |q| requests::find(q, id).await);
    // One that is not there was taken back, or is long forgotten.
    let Some(asked) = read.await? else { return Ok(()) };
    let outcome = match seal.open(venue, &asked) {
        Ok(None) => return Ok(()),
        Ok(Some(command)) => run(app, venue, &asked, command).await,
        Err(error) => Err(Rejection::of(&error)),
    };
    let Err(Rejection(problem)) = outcome else { return Ok(()) };
    let refusal = match problem.status {
        // It stands under the key.
        _ if problem.decides() => None,
        400..=408 | 410..=428 => Some(*problem),
        _ if app.clock().now() < asked.asked_at + TRIED_MAX => return Err((*problem).into()),
        _ => Some(too_late()),
    };
    close(app, venue, id, refusal).await.map_err(|error| Rejection::of(&error))
}

async fn run(app: &App, venue: VenueId, asked: &Asked, command: Command) -> Result<(), Rejection> {
    let scope = Scope::venue(venue, Some(asked.user)).on(asked.device);
    // What they are now, not what they were: the wait may have been long.
    let standing = app.standing(scope, venue).await?;
    let task = WriteTask {
        scope,
        name: can::HoldSeats::PERMISSION.name(),
        once: Some(asked.key.clone()),
        needs: Some(can::HoldSeats::PERMISSION),
        origin: Origin { address: None, request_id: Some(asked.id.to_string()) },
        rush: true,
    };
    let (id, user) = (asked.id, asked.user);
    let now = later::carry_out(app, &task, async move |tx: &mut Tx| {
        let made = command.run(tx, user, standing).await?;
        requests::close(tx, id, None)?;
        Ok::<_, BookingError>(made)
    })
    .await?;
    if now {
        return Ok(());
    }
    // Done before, under the same key: by whoever could not close it, or at once.
    close(app, venue, id, None).await.map_err(|error| Rejection::of(&error))
}

async fn close(
    app: &App,
    venue: VenueId,
    id: RequestId,
    refusal: Option<Problem>,
) -> Result<(), BookingError> {
    let refusal = refusal.map(|problem| {
        let status = i16::try_from(problem.status).unwrap_or(500);
        serde_json::to_string(&problem).map(|json| Refused { status, json })
    });
    let refusal = refusal.transpose()?;
    app.job("close_request", Scope::venue(venue, None), async |tx| {
        requests::close(tx, id, refusal.clone()).map_err(BookingError::from)
    })
    .await
}

fn too_late() -> Problem {
    Problem::new(
        503,
        "booking.request_too_late",
        "The request could not be done in time",
        "The server was too busy for ten minutes, and it will not be tried again. Ask anew, with a \
         fresh Idempotency-Key.",
    )
}
