//! Issue a ticket anew: it gets a new code, the old ones die.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::TicketId;
use pg::Tx;

use crate::TicketsError;
use crate::change_ticket::{lock_seen, save};
use crate::model::{Ticket, TicketStatus};
use crate::reads::TicketPath;

/// Issue a ticket anew
///
/// For a code that was lost or copied: codes made before count no more. A revoked ticket counts
/// again. Who is inside stays inside. Nothing is mailed: send it, if its holder needs it.
#[utoipa::path(
    operation_id = "reissueTicket", tag = "tickets", params(TicketPath),
    security(("bearer" = [])), responses((status = 200, body = Ticket), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/tickets/{ticket}/reissue")]
pub(crate) async fn post_reissue(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TicketPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.ticket;
    app.write(&actor, once.of(&cmd), async move |tx| reissue_ticket(tx, id, seen.0).await.map(Done))
        .await
}

async fn reissue_ticket(
    tx: &mut Tx,
    id: TicketId,
    seen: Option<i64>,
) -> Result<Ticket, TicketsError> {
    let ticket = lock_seen(tx, id, seen).await?;
    let detail = serde_json::json!({ "serial": ticket.serial + 1 });
    tx.audit("ticket_reissued", ("ticket", id.0), &detail)?;
    let now = tx.now();
    let ticket = anew(ticket, now);
    save(tx, ticket, None, "reissued")
}

/// The rule.
fn anew(mut ticket: Ticket, now: jiff::Timestamp) -> Ticket {
    if ticket.status == TicketStatus::Revoked {
        ticket.status = match (ticket.zone_id, ticket.entries) {
            (Some(_), _) => TicketStatus::Admitted,
            (None, 0) => TicketStatus::Issued,
            (None, _) => TicketStatus::Left,
        };
        ticket.revoked_at = None;
    }
    ticket.serial += 1;
    ticket.reissued_at = Some(now);
    ticket
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::ticket;

    #[test]
    fn a_revoked_ticket_counts_again_and_no_entry_is_forgotten() {
        let now = "2027-02-01T18:00:00Z".parse().unwrap();
        let revoked = Ticket { status: TicketStatus::Revoked, revoked_at: Some(now), ..ticket() };
        let fresh = anew(revoked.clone(), now);
        assert_eq!((fresh.status, fresh.serial, fresh.revoked_at), (TicketStatus::Issued, 2, None));
        let used = anew(Ticket { entries: 1, ..revoked }, now);
        assert_eq!(used.status, TicketStatus::Left, "it was used: the list's rules decide");
        let inside = anew(Ticket { status: TicketStatus::Admitted, ..ticket() }, now);
        assert_eq!(inside.status, TicketStatus::Admitted);
    }
}
