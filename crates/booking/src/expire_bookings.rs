//! Sweep bookings that were not paid in time, and the bills of those that are over.
//!
//! The seats need nobody: a claim past its time counts no more. The sweep says so, and closes bills:
//! what was paid for nothing goes back. One booking a transaction, because each has its bill.

use edge::App;
use jiff::SignedDuration;
use kernel::ids::BookingId;
use kernel::scope::Scope;
use payments::model::BillStatus;
use payments::{Afterwards, Bill};
use pg::Tx;

use crate::model::BookingStatus;
use crate::offer_seats::wake;
use crate::paying::closes_at;
use crate::store::paying::{self, Paying};
use crate::store::{bookings, seats};
use crate::{BookingError, event};

/// Bookings of one sweep.
const BOOKINGS_PER_SWEEP_MAX: i64 = 100;
/// How long a bill is left alone while a card is on its way to it. The card ends by itself, see
/// `CARD_PENDING_MAX_SECS`.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// One sweep over all venues. What one booking cannot have done now does not stop the others.
///
/// # Errors
/// When PostgreSQL is away or busy: the next sweep does it.
pub(crate) async fn expire_bookings(app: &App) -> Result<(), BookingError> {
    let offset = app.clock().offset_micros();
    let due = app.db().read(Scope::job(), async |q| {
        paying::bookings_to_sweep(q, offset, BOOKINGS_PER_SWEEP_MAX).await
    });
    let mut done = Ok(());
    for (venue, id) in due.await? {
        let scope = Scope::venue(venue, None);
        let one = app.job("expire_booking", scope, async |tx| look_after(tx, id).await).await;
        done = done.and(one);
    }
    done
}

/// Another worker may have done it since: what is not due any more is left.
async fn look_after(tx: &mut Tx, id: BookingId) -> Result<(), BookingError> {
    let Some((found, bill)) = paying::lock_with_bill(tx, id).await? else { return Ok(()) };
    let (now, pay_by) = (tx.now(), found.pay_by.unwrap_or(tx.now()));
    match found.booking.status {
        BookingStatus::Pending if pay_by <= now => expire(tx, found),
        BookingStatus::Expired if closes_at(pay_by) <= now => {
            let under_way = bill.as_ref().is_some_and(|bill| bill.pending > 0);
            if under_way {
                return Ok(paying::sweep_later(tx, id, Some(now + LOOK_AGAIN))?);
            }
            close(tx, id, bill, "It was not paid in time").await
        }
        BookingStatus::Cancelled => close(tx, id, bill, "The show was cancelled").await,
        BookingStatus::Pending | BookingStatus::Expired | BookingStatus::Confirmed => Ok(()),
    }
}

/// Its time is over. Its bill stays open for a while: a card may be on its way.
fn expire(tx: &mut Tx, found: Paying) -> Result<(), BookingError> {
    let freed = found.own_seats();
    let mut booking = found.booking;
    let closes = booking.pay_by.map(closes_at);
    booking.status = BookingStatus::Expired;
    booking.pay_by = None;
    booking.version += 1;
    seats::delete_claims_of_booking(tx, booking.show_id, booking.id)?;
    bookings::set_status(tx, &booking, closes)?;
    // Whoever came before the sweep has their seats already, and was told of.
    if !freed.is_empty() {
        tx.emit(event::seats_freed(booking.show_id, "expired", &freed, tx.now())?);
        wake();
    }
    tx.emit(event::booking("booking_updated", "expired", &booking)?);
    Ok(())
}

async fn close(
    tx: &mut Tx,
    id: BookingId,
    bill: Option<Bill>,
    reason: &str,
) -> Result<(), BookingError> {
    paying::sweep_later(tx, id, None)?;
    if let Some(mut bill) = bill.filter(|bill| bill.status != BillStatus::Closed) {
        payments::close_bill(tx, &mut bill, Afterwards::GiveBack, reason).await?;
    }
    Ok(())
}
