//! A party chooses a table, or another one, or gives its places up: all of it or nothing.

use actix_web::{delete, post, web};
use booking::reads::ShowPath;
use booking::tables::look_at_tables;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Gone, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::chairs::{Wish, nearest, table_state, table_states};
use crate::confirmation::{GalaConfirmation, confirmation};
use crate::letters::{Occasion, queue_confirmation};
use crate::model::{By, GuestRow, TABLE_CHARS_MAX};
use crate::seating::{Locked, holders_of, lock_tables};
use crate::store::{captains, galas, guests, tables};
use crate::token::{GuestToken, own_key};
use crate::{GalaError, secret};

/// Which table.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChooseTable {
    /// Its name.
    #[schema(min_length = 1, max_length = 30, example = "T5")]
    pub table: String,
    /// The code of its captain's invitation, where it has a captain.
    #[schema(nullable = false, max_length = 40)]
    pub invitation: Option<String>,
}

impl Input for ChooseTable {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.table, "/table", (1, TABLE_CHARS_MAX));
        if let Some(code) = &self.invitation {
            errors.text(code, "/invitation", (1, 40));
        }
    }
}

/// Choose a table
///
/// Seats the whole party there, or nobody; the chairs that it had are free at once. Choosing the
/// same table again changes nothing. A table that is too full is 409 with the nearest that fit.
#[utoipa::path(
    operation_id = "chooseTable", tag = "gala", params(ShowPath, GuestToken),
    request_body = ChooseTable,
    responses((status = 201, body = GalaConfirmation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/assignments")]
pub(crate) async fn post_assignment(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<ChooseTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.of(&cmd), &hash);
    app.write(&actor, key, async move |tx| choose_table(tx, show, &hash, &cmd).await.map(Created))
        .await
}

/// Give up a table
///
/// The whole party stands up; its chairs are free at once.
#[utoipa::path(
    operation_id = "leaveTable", tag = "gala", params(ShowPath, GuestToken),
    responses((status = 204), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/shows/{show}/gala/assignments")]
pub(crate) async fn delete_assignment(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.alone(), &hash);
    app.write(&actor, key, async move |tx| leave_table(tx, show, &hash).await.map(|()| Gone)).await
}

/// The party of the token with its guests locked, then the chairs of where it is and of `wanted`.
async fn lock_party(
    tx: &mut Tx,
    show: ShowId,
    token_hash: &[u8],
    wanted: Option<&str>,
) -> Result<Locked, GalaError> {
    let rows = guests::lock_guests_of_token(tx, show, token_hash).await?;
    if rows.is_empty() {
        return Err(GalaError::NoSession);
    }
    let gala = galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let tickets: Vec<TicketId> = rows.iter().map(|row| row.ticket).collect();
    let holders = holders_of(tx, show, &tickets).await?;
    // Last, because others want them.
    let (tables, notes) = lock_tables(tx, show, &rows, wanted.into_iter()).await?;
    gala.check_open(&tables.show, tx.now())?;
    Ok(Locked { holders, guests: rows, tables, notes })
}

async fn choose_table(
    tx: &mut Tx,
    show: ShowId,
    token_hash: &[u8],
    cmd: &ChooseTable,
) -> Result<GalaConfirmation, GalaError> {
    let locked = lock_party(tx, show, token_hash, Some(&cmd.table)).await?;
    let wish = |row: &GuestRow| Wish { guest: row.ticket, table: Some(cmd.table.clone()) };
    let wishes: Vec<Wish> = locked.guests.iter().map(wish).collect();
    let there = |row: &&GuestRow| row.table.as_deref() == Some(cmd.table.as_str());
    let coming = locked.guests.len() - locked.guests.iter().filter(there).count();
    if coming > 0 {
        check_open_to(tx, show, cmd, &locked, coming).await?;
    }
    let changes = match locked.plan(&wishes) {
        Err(GalaError::TooSmall(_)) => return Err(full(tx, show, cmd, &locked).await?),
        planned => planned?,
    };
    let moved = locked.carry_out(tx, &changes, By::Guest)?;
    let confirmed = confirmation(&locked.tables, &locked.holders, &locked.guests, &moved)?;
    if !moved.is_empty() {
        let had = locked.guests.iter().any(|row| row.table.is_some());
        let occasion = if had { Occasion::Changed } else { Occasion::Seated };
        queue_confirmation(tx, &confirmed, &locked.holders, occasion)?;
    }
    Ok(confirmed)
}

async fn leave_table(tx: &mut Tx, show: ShowId, token_hash: &[u8]) -> Result<(), GalaError> {
    let locked = lock_party(tx, show, token_hash, None).await?;
    let wishes: Vec<Wish> =
        locked.guests.iter().map(|row| Wish { guest: row.ticket, table: None }).collect();
    let changes = locked.plan(&wishes)?;
    locked.carry_out(tx, &changes, By::Guest).map(drop)
}

/// Whether the house and the table's captain let so many more guests sit there.
async fn check_open_to(
    tx: &mut Tx,
    show: ShowId,
    cmd: &ChooseTable,
    locked: &Locked,
    coming: usize,
) -> Result<(), GalaError> {
    let Some(note) = locked.notes.iter().find(|note| note.name == cmd.table) else {
        return Ok(());
    };
    if note.withheld {
        return Err(GalaError::Withheld(cmd.table.clone()));
    }
    if !note.kept {
        return Ok(());
    }
    let Some(code) = &cmd.invitation else { return Err(GalaError::Kept(cmd.table.clone())) };
    let hash = secret::hash(&secret::plain_code(code));
    let invitation = captains::lock_invitation(tx, show, &hash, &cmd.table).await?;
    let invitation = invitation.ok_or(GalaError::NoInvitation)?;
    let coming = i32::try_from(coming).unwrap_or(i32::MAX);
    if invitation.seats - invitation.used < coming {
        return Err(GalaError::NoInvitation);
    }
    Ok(captains::use_invitation(tx, invitation.id, coming)?)
}

/// The refusal that says where else the party fits, looked at without a lock.
async fn full(
    tx: &mut Tx,
    show: ShowId,
    cmd: &ChooseTable,
    locked: &Locked,
) -> Result<GalaError, GalaError> {
    let all = look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    let states = table_states(&all, &tables::look_at_notes(tx, show).await?);
    let guests = locked.guests.len();
    Ok(GalaError::Full {
        guests,
        table: Box::new(table_state(&locked.tables, &cmd.table, &locked.notes, &[])),
        nearest: nearest(&states, &cmd.table, guests),
    })
}
