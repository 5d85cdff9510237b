//! Seat those who sit nowhere: a proposal that a person looks at, and that is then carried out as
//! it was shown, or not at all.

use actix_web::{get, post, web};
use booking::reads::ShowPath;
use edge::body::Errors;
use edge::limits::GALA_ROWS_MAX;
use edge::{
    Actor, Answer, App, Body, Done, Input, Once, Path, ReadRefusals, Rejection, WriteRefusals, can,
};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::GalaError;
use crate::chairs::{Wish, table_state};
use crate::error::Changed;
use crate::fill_table::MovedGuests;
use crate::model::{By, GalaGuest, TABLE_CHARS_MAX};
use crate::propose::propose;
use crate::roster::Roster;
use crate::seating::{self, Locked};

/// Where a guest could sit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposedSeat {
    /// The guest's ticket.
    pub guest: TicketId,
    /// The table.
    #[schema(max_length = 30, example = "T5")]
    pub table: String,
}

/// A table as the proposal counted with it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountedTable {
    /// The table.
    #[schema(max_length = 30, example = "T5")]
    pub table: String,
    /// Its free chairs before anybody is seated.
    pub free: usize,
}

/// Where everybody could sit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatingProposal {
    /// Who could sit where: send it back as it is, or without those whom you seat yourself.
    pub seats: Vec<ProposedSeat>,
    /// What it counts with: send it back as it is.
    pub tables: Vec<CountedTable>,
    /// Guests whose party fits nowhere as a whole.
    pub left: Vec<GalaGuest>,
}

/// A proposal that somebody has looked at.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyProposal {
    /// Who is to sit where: 1 to 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    pub seats: Vec<ProposedSeat>,
    /// The tables as the proposal has counted them.
    #[schema(max_items = 1000)]
    pub tables: Vec<CountedTable>,
}

impl Input for ApplyProposal {
    fn check(&self, errors: &mut Errors) {
        let count = (1..=GALA_ROWS_MAX).contains(&self.seats.len());
        errors.require(count, "/seats", "length", "Seat 1 to 1000 guests at once.");
        let mut seen = std::collections::HashSet::new();
        for (n, seat) in self.seats.iter().enumerate() {
            let once = seen.insert(seat.guest);
            errors.require(once, format!("/seats/{n}/guest"), "twice", "The guest stands twice.");
            errors.text(&seat.table, &format!("/seats/{n}/table"), (1, TABLE_CHARS_MAX));
            let counted = self.tables.iter().any(|table| table.table == seat.table);
            let detail = "The proposal counts no chairs of this table.";
            errors.require(counted, format!("/seats/{n}/table"), "not_counted", detail);
        }
    }
}

/// Propose a seating
///
/// Where all who sit nowhere could sit: friends who want to sit together at one table where that
/// can be, else near; no party torn apart; those who need it where a wheelchair reaches. Nobody is
/// seated: send it back with `applySeating`.
#[utoipa::path(
    operation_id = "proposeSeating", tag = "gala", params(ShowPath),
    security(("bearer" = [])), responses((status = 200, body = SeatingProposal), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/proposal")]
pub(crate) async fn get_proposal(
    actor: Actor<can::RunGala>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<SeatingProposal>, Rejection> {
    let offset = app.clock().offset_micros();
    let roster = app.read(&actor, async |q| Roster::read(q, at.show, offset).await).await?;
    Ok(web::Json(proposal(&roster)))
}

fn proposal(roster: &Roster) -> SeatingProposal {
    let found = propose(&roster.tables, &roster.notes, &roster.entries);
    // More than one request can carry are proposed next time.
    let placed: Vec<_> = found.placed.into_iter().take(GALA_ROWS_MAX).collect();
    let mut names: Vec<&str> = placed.iter().map(|one| one.table.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let tables = names
        .into_iter()
        .map(|name| {
            let state = table_state(&roster.tables, name, &roster.notes, &[]);
            CountedTable { table: state.name, free: state.free }
        })
        .collect();
    let left = roster.entries.iter().filter(|entry| found.left.contains(&entry.guest.id));
    SeatingProposal {
        left: left.map(|entry| entry.guest.clone()).collect(),
        tables,
        seats: placed
            .into_iter()
            .map(|one| ProposedSeat { guest: one.guest, table: one.table })
            .collect(),
    }
}

/// Apply a proposed seating
///
/// Seats all of them, as they were proposed. If a guest has sat down meanwhile, or a table has
/// other free chairs than the proposal counted, nobody is seated: 409 with what changed in
/// `current`.
#[utoipa::path(
    operation_id = "applySeating", tag = "gala",
    params(ShowPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = ApplyProposal, security(("bearer" = [])),
    responses((status = 200, body = MovedGuests), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/proposal")]
pub(crate) async fn post_proposal(
    actor: Actor<can::RunGala>,
    once: Once,
    at: Path<ShowPath>,
    cmd: Body<ApplyProposal>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| apply_proposal(tx, show, &cmd).await.map(Done))
        .await
}

async fn apply_proposal(
    tx: &mut Tx,
    show: ShowId,
    cmd: &ApplyProposal,
) -> Result<MovedGuests, GalaError> {
    let wish = |seat: &ProposedSeat| Wish { guest: seat.guest, table: Some(seat.table.clone()) };
    let wishes: Vec<Wish> = cmd.seats.iter().map(wish).collect();
    let locked = seating::lock(tx, show, &wishes).await?;
    check_fresh(&locked, &cmd.tables)?;
    let changes = locked.plan(&wishes)?;
    let guests = locked.carry_out(tx, &changes, By::Proposal)?;
    let detail = serde_json::json!({ "seated": guests.len() });
    tx.audit("gala_proposal_applied", ("show", show.0), &detail)?;
    Ok(MovedGuests { guests })
}

/// What was counted is still so, under the locks.
fn check_fresh(locked: &Locked, counted: &[CountedTable]) -> Result<(), GalaError> {
    let seated = locked.holders.iter().filter_map(|holder| {
        let row = locked.guests.iter().find(|row| row.ticket == holder.id)?;
        let chair = locked.tables.chairs.iter().find(|chair| Some(chair.number) == row.chair)?;
        Some(seating::told(holder, Some(row), Some(&chair.label)))
    });
    let used = locked.tables.chairs.iter().map(|chair| chair.table.as_str());
    let used: std::collections::HashSet<&str> = used.collect();
    let differ =
        counted.iter().filter(|table| used.contains(table.table.as_str())).filter_map(|t| {
            let state = table_state(&locked.tables, &t.table, &locked.notes, &[]);
            let shut = state.withheld || state.kept;
            (state.free != t.free || shut).then_some(state)
        });
    let changed = Changed { guests: seated.collect(), tables: differ.collect() };
    let fresh = changed.guests.is_empty() && changed.tables.is_empty();
    if fresh { Ok(()) } else { Err(GalaError::Stale(Box::new(changed))) }
}
