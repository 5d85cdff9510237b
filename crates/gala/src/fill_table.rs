//! A captain seats guests at their table, or lets them go.

use actix_web::{post, web};
use booking::reads::ShowPath;
use booking::tables::look_at_tables;
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::GUESTS_PER_PARTY_MAX;
use edge::{
    Actor, Answer, App, Body, ClientAddress, Done, Input, OnceIfGiven, Path, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::GalaError;
use crate::attempt;
use crate::captain::Captain;
use crate::chairs::Wish;
use crate::error::{Fault, PairFault};
use crate::model::{By, GalaGuest, TicketPair, check_pairs};
use crate::open_session::{admit, compare, settle};
use crate::seating;
use crate::store::{captains, galas};
use crate::token::{CaptainToken, own_key};

/// Whom to seat.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FillTable {
    /// Number and name of each: 1 to 20.
    #[schema(min_items = 1, max_items = 20)]
    pub tickets: Vec<TicketPair>,
}

impl Input for FillTable {
    fn check(&self, errors: &mut Errors) {
        check_pairs(&self.tickets, errors);
    }
}

/// Whom to let go.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseGuests {
    /// Guests of this table: 1 to 20.
    #[schema(min_items = 1, max_items = 20)]
    pub guests: Vec<TicketId>,
}

impl Input for ReleaseGuests {
    fn check(&self, errors: &mut Errors) {
        let few = (1..=GUESTS_PER_PARTY_MAX).contains(&self.guests.len());
        errors.require(few, "/guests", "length", "Name 1 to 20 guests.");
    }
}

/// Guests and where they are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MovedGuests {
    /// Those who got another place, or none any more.
    pub guests: Vec<GalaGuest>,
}

impl Versioned for MovedGuests {}

/// Fill a captain's table
///
/// Seats all of them, or nobody, by number and name like a guest session. Who sits somewhere
/// already is refused with the place: only they or the house can move them.
#[utoipa::path(
    operation_id = "fillCaptainsTable", tag = "gala", params(ShowPath, CaptainToken),
    request_body = FillTable, responses((status = 200, body = MovedGuests), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captain/guests")]
pub(crate) async fn post_guests(
    actor: Actor<can::ChooseTables>,
    token: CaptainToken,
    from: ClientAddress,
    at: Path<ShowPath>,
    cmd: Body<FillTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let tried = admit(&app, &actor, (show, from), &cmd.tickets).await?;
    let right = tried.clone();
    // Without a key: who sits at the table already stays, so a repeat changes nothing.
    let answer = app
        .write(&actor, None, async move |tx| {
            let filled = fill_table(tx, show, &hash, &cmd).await?;
            attempt::welcome(tx, &right)?;
            Ok::<_, GalaError>(Done(filled))
        })
        .await;
    settle(&app, &actor, tried, answer).await
}

async fn fill_table(
    tx: &mut Tx,
    show: ShowId,
    hash: &[u8],
    cmd: &FillTable,
) -> Result<MovedGuests, GalaError> {
    let captain = captain(tx, show, hash).await?;
    let tables = look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    let holders = compare(tx, show, &cmd.tickets, &tables).await?;
    let wish = |guest| Wish { guest, table: Some(captain.table.clone()) };
    let wishes: Vec<Wish> = holders.iter().map(|holder| wish(holder.id)).collect();
    let locked = seating::lock(tx, show, &wishes).await?;
    let elsewhere = |guest: TicketId| {
        let row = locked.guests.iter().find(|row| row.ticket == guest)?;
        row.table.clone().filter(|table| *table != captain.table)
    };
    let faults: Vec<PairFault> = holders
        .iter()
        .enumerate()
        .filter_map(|(at, holder)| {
            let place = elsewhere(holder.id)?;
            Some(PairFault { at, fault: Fault::AlreadySeated(place) })
        })
        .collect();
    if !faults.is_empty() {
        return Err(GalaError::Pairs(faults));
    }
    let changes = locked.plan(&wishes)?;
    Ok(MovedGuests { guests: locked.carry_out(tx, &changes, By::Captain)? })
}

/// The captain whom the token stands for, while guests can be seated.
async fn captain(tx: &mut Tx, show: ShowId, hash: &[u8]) -> Result<Captain, GalaError> {
    let found = captains::look_at_captain(tx, show, hash).await?.ok_or(GalaError::NoCaptain)?;
    let gala = galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let tables = look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    gala.check_open(&tables.show, tx.now())?;
    Ok(found)
}

/// Release guests from a captain's table
///
/// They stand up and can choose another table. Only guests of this table.
#[utoipa::path(
    operation_id = "releaseFromTable", tag = "gala", params(ShowPath, CaptainToken),
    request_body = ReleaseGuests, responses((status = 200, body = MovedGuests), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captain/release")]
pub(crate) async fn post_release(
    actor: Actor<can::ChooseTables>,
    token: CaptainToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<ReleaseGuests>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.of(&cmd), &hash);
    app.write(&actor, key, async move |tx| release(tx, show, &hash, &cmd).await.map(Done)).await
}

async fn release(
    tx: &mut Tx,
    show: ShowId,
    hash: &[u8],
    cmd: &ReleaseGuests,
) -> Result<MovedGuests, GalaError> {
    let captain = captain(tx, show, hash).await?;
    let wishes: Vec<Wish> =
        cmd.guests.iter().map(|guest| Wish { guest: *guest, table: None }).collect();
    let locked = seating::lock(tx, show, &wishes).await?;
    if locked.guests.iter().any(|row| row.table.as_ref() != Some(&captain.table)) {
        return Err(GalaError::NotAtThisTable);
    }
    let changes = locked.plan(&wishes)?;
    Ok(MovedGuests { guests: locked.carry_out(tx, &changes, By::Captain)? })
}
