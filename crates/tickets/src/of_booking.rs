//! The tickets of a booking, in its own transaction: issued, moved and renamed with it. The slice
//! that books calls this; the booking's row is locked by then.

use kernel::ids::{BookingId, ShowId};
use pg::{Reader, Tx};

use crate::TicketsError;
use crate::change_ticket::save;
use crate::issue_tickets::{NewTicket, make};
use crate::keeper::Keeper;
use crate::model::{Ticket, TicketStatus};
use crate::reads::CodedTicket;
use crate::send_tickets::queued;
use crate::store::{changes, mails, tickets};

/// The show has a type of tickets to give.
///
/// # Errors
/// `NoTypes`, and the database's failures.
pub async fn require_types(tx: &mut Tx, show: ShowId) -> Result<(), TicketsError> {
    let kinds = tickets::kinds(tx, show).await?;
    if kinds.is_empty() { Err(TicketsError::NoTypes) } else { Ok(()) }
}

/// Issues a ticket for each seat (its label and its category). A type of the category's name, else
/// the first type, is theirs. Where the holder has an address, they are mailed.
///
/// # Errors
/// `NoTypes` where the show has none.
pub async fn issue(
    tx: &mut Tx,
    (show, booking): (ShowId, BookingId),
    (name, email): (&str, Option<&str>),
    seats: &[(&str, &str)],
) -> Result<Vec<Ticket>, TicketsError> {
    let kinds = tickets::kinds(tx, show).await?;
    let (first, _) = kinds.first().ok_or(TicketsError::NoTypes)?;
    let class_of = |category: &str| {
        let named = kinds.iter().find(|(_, name)| name.eq_ignore_ascii_case(category));
        named.map_or(*first, |(class, _)| *class)
    };
    let new = seats.iter().map(|(label, category)| NewTicket {
        number: None,
        class: class_of(category),
        name: Some(name.to_owned()),
        email: email.map(str::to_owned),
        seat: Some((*label).to_owned()),
        paid: None,
    });
    let mut made = make(tx, show, Some(booking), &new.collect::<Vec<_>>())?;
    if email.is_some() {
        mails::queue_many(tx, made.iter().map(|ticket| ticket.id).collect())?;
        made.iter_mut().for_each(queued);
    }
    Ok(made)
}

/// Each seat of a booking is another now: so are the seats on its tickets.
///
/// # Errors
/// The database's failures.
pub async fn reseat(
    tx: &mut Tx,
    booking: BookingId,
    moved: &[(&String, &String)],
) -> Result<(), TicketsError> {
    for mut ticket in changes::lock_of_booking(tx, booking).await? {
        let to = moved.iter().find(|(from, _)| ticket.seat.as_ref() == Some(from));
        if let Some((from, to)) = to
            && from != to
        {
            ticket.seat = Some((*to).clone());
            save(tx, ticket, None, "moved")?;
        }
    }
    Ok(())
}

/// A booking is for somebody else now: so are those of its tickets that were for `old`.
///
/// # Errors
/// The database's failures.
pub async fn rename(
    tx: &mut Tx,
    booking: BookingId,
    old: &str,
    (name, email): (&str, Option<&str>),
) -> Result<(), TicketsError> {
    for mut ticket in changes::lock_of_booking(tx, booking).await? {
        if ticket.name.as_deref() == Some(old) {
            ticket.name = Some(name.to_owned());
            ticket.email = email.map(str::to_owned);
            save(tx, ticket, None, "changed")?;
        }
    }
    Ok(())
}

/// The tickets of a booking that count, each with its code.
///
/// # Errors
/// The database's failures.
pub async fn list(
    q: &mut Reader,
    keeper: &Keeper,
    booking: BookingId,
) -> Result<Vec<CodedTicket>, TicketsError> {
    let mut tickets = changes::of_booking(q, booking).await?;
    tickets.retain(|ticket| ticket.status != TicketStatus::Revoked);
    let Some(first) = tickets.first() else { return Ok(Vec::new()) };
    let kept = keeper.read(q, first.show_id).await?;
    let coded = tickets.into_iter().map(|ticket| {
        let code = keeper.code_of(&kept, &ticket)?;
        Ok(CodedTicket { ticket, code })
    });
    coded.collect()
}
