//! A booking that is to be paid: its bill, and who may follow it.

use edge::limits::LATE_PAYMENT_SECS;
use jiff::{SignedDuration, Timestamp};
use kernel::event::Topic;
use kernel::ids::{BookingId, UserId};
use kernel::money::Money;
use payments::{Line, NewBill, Subject};
use pg::{DbError, Tx};

use crate::model::{Booking, Seat, Show, ShowPayment};
use crate::{BookingError, secret};

/// The kind of this slice's bills.
pub(crate) const KIND: &str = "booking";
/// How long after its show a booking can be followed.
const FOLLOWED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What is paid for.
pub(crate) fn subject(id: BookingId) -> Subject {
    Subject::new(KIND, id.0)
}

/// Until when a booking that is made now waits for its payment; nothing where it is confirmed at
/// once. What costs nothing is.
pub(crate) fn pay_by(show: &Show, price: Money, now: Timestamp) -> Option<Timestamp> {
    let asked = show.payment == ShowPayment::Required && price.amount > 0;
    asked.then(|| now + SignedDuration::from_secs(show.pay_secs.into()))
}

/// When the bill of a booking that was not paid in time is closed. Until then whoever pays gets
/// seats, or the money back; after it the money goes back at once.
pub(crate) fn closes_at(pay_by: Timestamp) -> Timestamp {
    pay_by + SignedDuration::from_secs(LATE_PAYMENT_SECS)
}

/// Opens the bill of a booking that is pending; gives the secret by which its customer pays. A move
/// changes no line: they name categories, not seats.
pub(crate) fn open_bill(
    tx: &mut Tx,
    show: &Show,
    booking: &Booking,
    seats: &[Seat],
) -> Result<String, BookingError> {
    let token = secret::fresh()?;
    let bill = NewBill {
        subject: subject(booking.id),
        title: format!("Booking {}", booking.code),
        lines: lines(show, booking.price, seats),
        currency: booking.price.currency,
        secret_hash: Some(secret::hash(&token)),
    };
    payments::open_bill(tx, &bill)?;
    Ok(token)
}

/// One line for all seats of one category.
fn lines(show: &Show, price: Money, seats: &[Seat]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for seat in seats {
        let text = format!("{}, {}", show.name, seat.category);
        if let Some(line) = lines.iter_mut().find(|line| line.text == text) {
            line.quantity += 1;
            line.amount.amount += seat.price;
        } else {
            let amount = Money { amount: seat.price, currency: price.currency };
            lines.push(Line { text, quantity: 1, amount });
        }
    }
    lines
}

/// Whoever has booked hears of their booking, and so does whoever has the secret of its bill.
pub(crate) fn let_follow(
    tx: &mut Tx,
    show: &Show,
    (booking, user): (BookingId, UserId),
    token: Option<&str>,
) -> Result<(), DbError> {
    let until = show.starts_at.max(tx.now()) + FOLLOWED_AFTER;
    tx.let_follow(Topic::Booking, booking.0, pg::Opener::User(user), until)?;
    if let Some(token) = token {
        tx.let_follow(Topic::Booking, booking.0, pg::Opener::Secret(token), until)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kernel::ids::ShowId;

    use super::*;
    use crate::model::ShowStatus;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn show(payment: ShowPayment) -> Show {
        Show {
            id: ShowId::fresh(at("2026-01-01T00:00:00Z")),
            name: "Gala".into(),
            description: None,
            starts_at: at("2026-06-01T00:00:00Z"),
            status: ShowStatus::OnSale,
            hold_secs: 120,
            currency: "EUR".into(),
            seat_count: 3,
            tickets: false,
            payment,
            pay_secs: 900,
            version: 1,
        }
    }

    fn seat(number: i32, category: &str, price: i64) -> Seat {
        Seat {
            number,
            label: format!("A-{number}"),
            block: "A".into(),
            category: category.into(),
            price,
            withheld: false,
            withheld_until: None,
            allocation: None,
            whole: None,
        }
    }

    #[test]
    fn what_costs_nothing_is_confirmed_at_once() {
        let (now, currency) = (at("2026-01-01T00:00:00Z"), "EUR".parse().unwrap());
        let price = |amount| Money { amount, currency };
        assert_eq!(pay_by(&show(ShowPayment::None), price(100), now), None);
        assert_eq!(pay_by(&show(ShowPayment::Required), price(0), now), None);
        let until = pay_by(&show(ShowPayment::Required), price(1), now);
        assert_eq!(until, Some(at("2026-01-01T00:15:00Z")));
    }

    #[test]
    fn a_bill_has_a_line_a_category_and_its_lines_are_the_price() {
        let currency = "EUR".parse().unwrap();
        let seats = [seat(1, "front", 300), seat(2, "rear", 100), seat(3, "front", 300)];
        let price = Money { amount: 700, currency };
        let lines = lines(&show(ShowPayment::Required), price, &seats);
        let told: Vec<_> =
            lines.iter().map(|it| (&*it.text, it.quantity, it.amount.amount)).collect();
        assert_eq!(told, [("Gala, front", 2, 600), ("Gala, rear", 1, 100)]);
    }
}
