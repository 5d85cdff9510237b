//! Staff move guests: any number at once, swaps and rounds among them, all of it or nothing.

use std::collections::HashSet;

use actix_web::{post, web};
use booking::reads::ShowPath;
use edge::body::Errors;
use edge::limits::GALA_MOVES_MAX;
use edge::{Actor, Answer, App, Body, Done, Input, Once, Path, Rejection, WriteRefusals, can};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::GalaError;
use crate::chairs::Wish;
use crate::fill_table::MovedGuests;
use crate::model::{By, TABLE_CHARS_MAX};
use crate::seating;

/// Where a guest is to sit.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuestMove {
    /// The guest's ticket.
    pub guest: TicketId,
    /// Their table from now on; nowhere, unless given.
    #[schema(nullable = false, max_length = 30, example = "T5")]
    pub table: Option<String>,
}

/// Guests to be moved.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveGuests {
    /// 1 to 200 guests, none twice.
    #[schema(min_items = 1, max_items = 200)]
    pub moves: Vec<GuestMove>,
}

impl Input for MoveGuests {
    fn check(&self, errors: &mut Errors) {
        check_moves(&self.moves, "/moves", errors);
    }
}

pub(crate) fn check_moves(moves: &[GuestMove], at: &str, errors: &mut Errors) {
    let count = (1..=GALA_MOVES_MAX).contains(&moves.len());
    errors.require(count, at, "length", "Move 1 to 200 guests at once.");
    let mut seen = HashSet::new();
    for (n, one) in moves.iter().enumerate() {
        let once = seen.insert(one.guest);
        errors.require(once, format!("{at}/{n}/guest"), "twice", "The guest stands twice.");
        if let Some(table) = &one.table {
            errors.text(table, &format!("{at}/{n}/table"), (1, TABLE_CHARS_MAX));
        }
    }
}

/// Move guests
///
/// All at once: who leaves makes room for who comes, so guests of full tables can change places,
/// two by two or in a round. Also seats guests who sit nowhere, at withheld tables as well, and
/// unseats those without a `table`. If they do not fit in the end, nobody moves.
#[utoipa::path(
    operation_id = "moveGalaGuests", tag = "gala",
    params(ShowPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = MoveGuests, security(("bearer" = [])),
    responses((status = 200, body = MovedGuests), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/moves")]
pub(crate) async fn post_moves(
    actor: Actor<can::RunGala>,
    once: Once,
    at: Path<ShowPath>,
    cmd: Body<MoveGuests>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        move_guests(tx, show, &cmd.moves).await.map(Done)
    })
    .await
}

pub(crate) fn wishes(moves: &[GuestMove]) -> Vec<Wish> {
    moves.iter().map(|one| Wish { guest: one.guest, table: one.table.clone() }).collect()
}

async fn move_guests(
    tx: &mut Tx,
    show: ShowId,
    moves: &[GuestMove],
) -> Result<MovedGuests, GalaError> {
    let wishes = wishes(moves);
    let locked = seating::lock(tx, show, &wishes).await?;
    let changes = locked.plan(&wishes)?;
    let guests = locked.carry_out(tx, &changes, By::Staff)?;
    let detail = serde_json::json!({ "moved": guests.len() });
    tx.audit("gala_guests_moved", ("show", show.0), &detail)?;
    Ok(MovedGuests { guests })
}
