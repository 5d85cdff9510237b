//! The job behind `send_tickets`: writes the mails, and notes what became of them. Any worker does
//! it; tickets that one has locked the others leave to it.

use std::collections::BTreeMap;

use edge::App;
use kernel::ids::{ShowId, VenueId};
use kernel::scope::Scope;
use notify::{MailId, Outcome};
use pg::Tx;
use uuid::Uuid;

use crate::keeper::Keeper;
use crate::letter::letter;
use crate::model::{MailState, Ticket, TicketStatus};
use crate::secret;
use crate::store::{changes, mails, rules};
use crate::{TicketsError, event};

/// Mails of one transaction: each carries a picture of some 50 KB.
const MAILS_PER_ROUND_MAX: i64 = 20;
/// Tickets that one round looks through for shows with something to do.
const LOOKED_AT_MAX: i64 = 1_000;
/// Mails that one round asks after.
const ASKED_AFTER_MAX: i64 = 500;

/// One round: mails that are to be written, then mails that were settled.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn mail_tickets(
    app: &App,
    keeper: &Keeper,
    public_url: &str,
) -> Result<(), TicketsError> {
    let found = app.db().read(Scope::job(), async |q| mails::shows_to_mail(q, LOOKED_AT_MAX).await);
    for (venue, show) in found.await? {
        let scope = Scope::venue(venue, None);
        app.job("mail_tickets", scope, async |tx| {
            write_mails(tx, keeper, (venue, show), public_url).await
        })
        .await?;
    }
    settle_mails(app).await
}

async fn write_mails(
    tx: &mut Tx,
    keeper: &Keeper,
    (venue, show): (VenueId, ShowId),
    public_url: &str,
) -> Result<(), TicketsError> {
    let tickets = mails::lock_to_mail(tx, show, MAILS_PER_ROUND_MAX).await?;
    if tickets.is_empty() {
        return Ok(());
    }
    let (known, keys) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    let kept = keeper.keep(venue, known, keys);
    let place = changes::place_in(tx).await?;
    for ticket in tickets {
        // Revoked after it was queued: its mail says nothing that counts.
        let Some(to) = ticket.email.clone().filter(|_| ticket.status != TicketStatus::Revoked)
        else {
            settle_one(tx, ticket, Some("it was revoked, or has no address".to_owned()))?;
            continue;
        };
        let secret = secret::fresh()?;
        let code = keeper.code_of(&kept, &ticket)?;
        let link = format!("{public_url}/ticket#{}.{}.{secret}", venue.0, ticket.id.0);
        let mail = letter(&to, (&place, &kept.rules), &ticket, (&code, &link))?;
        let MailId(mail) = notify::queue_mail(tx, mail)?;
        mails::give_mail(tx, ticket.id, mail, secret::hash(&secret))?;
    }
    Ok(())
}

async fn settle_mails(app: &App) -> Result<(), TicketsError> {
    let db = app.db();
    let out = db.read(Scope::job(), async |q| mails::mails_out(q, ASKED_AFTER_MAX).await).await?;
    if out.is_empty() {
        return Ok(());
    }
    let ids: Vec<MailId> = out.iter().map(|(_, mail)| MailId(*mail)).collect();
    let settled = db.read(Scope::job(), async |q| notify::outcomes(q, &ids).await).await?;
    let mut by_venue: BTreeMap<Uuid, Vec<&Outcome>> = BTreeMap::new();
    for outcome in &settled {
        if let Some((venue, _)) = out.iter().find(|(_, mail)| *mail == outcome.mail.0) {
            by_venue.entry(venue.0).or_default().push(outcome);
        }
    }
    for (venue, outcomes) in by_venue {
        let scope = Scope::venue(VenueId(venue), None);
        app.job("settle_ticket_mails", scope, async |tx| settle(tx, &outcomes).await).await?;
    }
    Ok(())
}

async fn settle(tx: &mut Tx, outcomes: &[&Outcome]) -> Result<(), TicketsError> {
    let ids: Vec<Uuid> = outcomes.iter().map(|outcome| outcome.mail.0).collect();
    for (ticket, mail) in mails::lock_mailed(tx, &ids).await? {
        if let Some(outcome) = outcomes.iter().find(|outcome| outcome.mail.0 == mail) {
            settle_one(tx, ticket, outcome.failed.clone())?;
        }
    }
    Ok(())
}

fn settle_one(tx: &mut Tx, mut ticket: Ticket, failed: Option<String>) -> Result<(), TicketsError> {
    ticket.mail_state = if failed.is_some() { MailState::Failed } else { MailState::Sent };
    if failed.is_none() && ticket.status == TicketStatus::Issued {
        ticket.status = TicketStatus::Sent;
    }
    ticket.mail_error = failed.map(|why| why.chars().take(500).collect());
    ticket.version += 1;
    mails::settle(tx, &ticket, tx.now())?;
    tx.emit(event::tickets_mailed(ticket.show_id, std::slice::from_ref(&ticket))?);
    Ok(())
}
