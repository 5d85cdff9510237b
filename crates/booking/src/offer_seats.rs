//! Offer seats that came free to the first party of the waiting list that they fit.
//!
//! A job, woken by whatever frees seats on this worker, and looking by itself every second for what
//! others freed or time did. Not in the transaction that frees: that one has seats locked, and
//! would wait for the list, which is locked before seats.

use std::cell::Cell;
use std::time::Duration;

use edge::App;
use jiff::SignedDuration;
use kernel::ids::{ShowId, VenueId};
use kernel::scope::Scope;
use kernel::time;
use pg::Tx;
use tokio::sync::Notify;

use crate::access::Access;
use crate::hold_best::take_if_free;
use crate::hold_seats::{insert, new_hold};
use crate::store::free::Wanted;
use crate::store::waiting::Party;
use crate::store::{seats, waiting};
use crate::waiting::{Offer, WaitingStatus};
use crate::{BookingError, event};

/// How long a party has to accept and book.
const OFFER_LASTS: SignedDuration = SignedDuration::from_mins(10);
/// How long the job sleeps when nobody wakes it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Offers of one show in one round.
const OFFERS_PER_ROUND_MAX: usize = 50;

static FREED: Notify = Notify::const_new();

/// Seats came free, or somebody began to wait: the job looks now.
pub(crate) fn wake() {
    FREED.notify_one();
}

/// Waits until it is woken or a second has passed, then offers what is free.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn offer_seats(app: &App) -> Result<(), BookingError> {
    // Woken or not, it looks.
    let _ = tokio::time::timeout(LOOK_EVERY, FREED.notified()).await;
    let offset = app.clock().offset_micros();
    let shows = app.db().read(Scope::job(), async |q| waiting::shows_to_offer(q, offset).await);
    for (venue, show) in shows.await? {
        offer_show(app, venue, show).await?;
    }
    Ok(())
}

async fn offer_show(app: &App, venue: VenueId, show: ShowId) -> Result<(), BookingError> {
    for _ in 0..OFFERS_PER_ROUND_MAX {
        let offered = Cell::new(false);
        app.job("offer_seats", Scope::venue(venue, None), async |tx| {
            offered.set(offer_first(tx, show).await?);
            Ok::<_, BookingError>(())
        })
        .await?;
        if !offered.get() {
            break;
        }
    }
    Ok(())
}

/// Holds seats for the first party that they fit; whether there was one.
async fn offer_first(tx: &mut Tx, show: ShowId) -> Result<bool, BookingError> {
    let Some(parties) = waiting::lock_parties(tx, show).await? else { return Ok(false) };
    let mut too_large: Vec<(Option<String>, i32)> = Vec::new();
    for party in parties {
        let (category, quantity) = (party.waiting.category.clone(), party.waiting.quantity);
        if too_large.iter().any(|(other, least)| *other == category && quantity >= *least) {
            continue;
        }
        let wanted = Wanted {
            show,
            quantity,
            category: category.clone(),
            block: None,
            accessible: 0,
            access: Access::default(),
            limited: false,
            exact: true,
        };
        match take_if_free(tx, &wanted).await {
            Ok(Some(taken)) => {
                offer(tx, party, &taken)?;
                return Ok(true);
            }
            Err(BookingError::NotEnough) => too_large.push((category, quantity)),
            // Somebody is at these seats just now, and the next round sees what they did; or the
            // show is not on sale.
            Ok(None) | Err(BookingError::NotOnSale(_) | BookingError::Begun) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn offer(tx: &mut Tx, party: Party, taken: &crate::hold_best::Taken) -> Result<(), BookingError> {
    let mut hold = new_hold(tx, &taken.show, &taken.seats)?;
    hold.expires_at = (tx.now() + OFFER_LASTS).min(hold.ends_at);
    if taken.stale_claims {
        let numbers: Vec<_> = taken.seats.iter().map(|seat| seat.number).collect();
        seats::delete_expired_claims(tx, taken.show.id, &numbers)?;
    }
    // Its token is told to nobody: accepting makes a new one.
    insert(tx, &hold, party.user, &taken.seats)?;
    let labels: Vec<_> = taken.seats.iter().map(|seat| seat.label.clone()).collect();
    tx.emit(event::seats_held(taken.show.id, &labels, hold.expires_at)?);
    let mut waiting = party.waiting;
    waiting.status = WaitingStatus::Offered;
    waiting.version += 1;
    waiting.offer = Some(Offer { hold: hold.id, seats: labels, expires_at: hold.expires_at });
    waiting::set(tx, &waiting, Some(hold.id))?;
    tx.emit(event::waiting("waitlist_offered", "offered", &waiting)?);
    if let (Some(to), Some(offer)) = (party.email, &waiting.offer) {
        let text = format!(
            "Seats for {} are held for you: {}.\n\nThey are yours to book until {} (UTC); after \
             that they go to the next in the list.\n",
            taken.show.name,
            offer.seats.join(", "),
            time::text(offer.expires_at),
        );
        let subject = format!("Seats for {}", taken.show.name);
        let mail = notify::Mail {
            to,
            subject,
            text,
            html: None,
            attachments: Vec::new(),
            kind: "waitlist_offered",
        };
        notify::queue_mail(tx, mail)?;
    }
    Ok(())
}
