//! Captains: the house gives somebody a table to fill. Their link is a secret for that table alone.

use actix_web::{get, post, web};
use booking::reads::ShowPath;
use booking::tables::{find_tables, lock_tables};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Done, Gone, Input, OnceIfGiven, Path, ReadRefusals,
    Rejection, WriteRefusals, can,
};
use kernel::ids::{InvitationId, ShowId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use tickets::holders;
use utoipa::ToSchema;

use crate::chairs::table_state;
use crate::model::{GalaGuest, GalaTable, TABLE_CHARS_MAX};
use crate::open_session::told_guests;
use crate::store::captains::{self, NewCaptain};
use crate::store::{galas, guests, tables};
use crate::token::{CaptainToken, own_key};
use crate::{GalaError, event, letters, secret};

/// Places of one invitation.
const INVITED_MAX: i32 = 20;

/// Who a captain is, and of which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captain {
    pub(crate) table: String,
    pub(crate) name: Option<String>,
    pub(crate) kept: bool,
}

/// A captain's word that somebody may sit at their table.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableInvitation)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// What the guest sends when they choose the table. Shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// Whom it was mailed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// Places that it gives.
    pub seats: i32,
    /// Places that were taken with it.
    pub used: i32,
    /// It was taken back.
    pub withdrawn: bool,
}

impl Versioned for Invitation {}

/// Whom the house gives which table.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameCaptain {
    /// The table.
    #[schema(min_length = 1, max_length = 30, example = "T5")]
    pub table: String,
    /// The captain's name.
    #[schema(nullable = false, max_length = 120)]
    pub name: Option<String>,
    /// Their address.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
}

impl Input for NameCaptain {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.table, "/table", (1, TABLE_CHARS_MAX));
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 120));
        }
        if let Some(email) = &self.email {
            errors.email(email, "/email");
        }
    }
}

/// Which table loses its captain.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DismissCaptain {
    /// The table.
    #[schema(min_length = 1, max_length = 30, example = "T5")]
    pub table: String,
}

impl Input for DismissCaptain {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.table, "/table", (1, TABLE_CHARS_MAX));
    }
}

/// What a captain's link is made of.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptainLink {
    /// The table.
    pub table: String,
    /// Put it behind the `#` of the page's address: what stands there is sent to no server. Shown
    /// only here.
    pub token: String,
}

impl Versioned for CaptainLink {}

/// A table as its captain sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptainsTable {
    /// The captain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub captain: Option<String>,
    /// The table.
    pub table: GalaTable,
    /// Who sits there.
    pub guests: Vec<GalaGuest>,
    /// Whom the captain has invited.
    pub invitations: Vec<Invitation>,
}

/// Whom a captain invites.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InviteGuests {
    /// Places: 1 to 20.
    #[schema(minimum = 1, maximum = 20)]
    pub seats: i32,
    /// Where the code is mailed to; the captain hands it over, unless given.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
}

impl Input for InviteGuests {
    fn check(&self, errors: &mut Errors) {
        let few = (1..=INVITED_MAX).contains(&self.seats);
        errors.require(few, "/seats", "range", "Invite 1 to 20 guests at once.");
        if let Some(email) = &self.email {
            errors.email(email, "/email");
        }
    }
}

/// Name a table's captain
///
/// Only whom they seat or invite can sit there from now on. The answer's token is their link;
/// an earlier one counts no more.
#[utoipa::path(
    operation_id = "nameCaptain", tag = "gala", params(ShowPath), request_body = NameCaptain,
    security(("bearer" = [])), responses((status = 201, body = CaptainLink), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captains")]
pub(crate) async fn post_captain(
    actor: Actor<can::RunGala>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<NameCaptain>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        name_captain(tx, show, &cmd).await.map(Created)
    })
    .await
}

async fn name_captain(
    tx: &mut Tx,
    show: ShowId,
    cmd: &NameCaptain,
) -> Result<CaptainLink, GalaError> {
    galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let token = secret::fresh()?;
    let new = NewCaptain {
        name: cmd.name.as_deref().map(|name| name.trim().to_owned()),
        email: cmd.email.as_deref().map(|email| email.trim().to_owned()),
        token_hash: secret::hash(&token),
    };
    change_kept(tx, show, &cmd.table, true).await?;
    captains::set_captain(tx, show, &cmd.table, new)?;
    tx.audit("gala_captain_named", ("show", show.0), &serde_json::json!({"table": cmd.table}))?;
    Ok(CaptainLink { table: cmd.table.clone(), token })
}

/// Locks the table's chairs, which its note changes under, and tells its new state.
async fn change_kept(tx: &mut Tx, show: ShowId, table: &str, kept: bool) -> Result<(), GalaError> {
    let names = [table.to_owned()];
    let found = lock_tables(tx, show, &names).await?.ok_or(GalaError::NoGala)?;
    if found.of(table).next().is_none() {
        return Err(GalaError::NoSuchTables(names.into()));
    }
    let notes = tables::notes_of(tx, show, &names).await?;
    let state = GalaTable { kept, ..table_state(&found, table, &notes, &[]) };
    tx.emit(event::tables(show, if kept { "kept" } else { "opened" }, &[state])?);
    Ok(())
}

/// Dismiss a table's captain
///
/// Their link and their invitations count no more, and everybody can choose the table again. Who
/// sits there stays.
#[utoipa::path(
    operation_id = "dismissCaptain", tag = "gala", params(ShowPath), request_body = DismissCaptain,
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captains/dismiss")]
pub(crate) async fn post_dismiss(
    actor: Actor<can::RunGala>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<DismissCaptain>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
        change_kept(tx, show, &cmd.table, false).await?;
        captains::clear_captain(tx, show, &cmd.table)?;
        let detail = serde_json::json!({"table": cmd.table});
        tx.audit("gala_captain_dismissed", ("show", show.0), &detail)?;
        Ok::<_, GalaError>(Gone)
    })
    .await
}

/// Get a captain's table
///
/// Who sits there, how many can come, and who was invited.
#[utoipa::path(
    operation_id = "getCaptainsTable", tag = "gala", params(ShowPath, CaptainToken),
    responses((status = 200, body = CaptainsTable), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/captain")]
pub(crate) async fn get_table(
    actor: Actor<can::ChooseTables>,
    token: CaptainToken,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<CaptainsTable>, Rejection> {
    let (hash, offset) = (token.hash(), app.clock().offset_micros());
    let found = app
        .read(&actor, async |q| {
            let captain = captains::find_captain(q, at.show, &hash).await?;
            let captain = captain.ok_or(GalaError::NoCaptain)?;
            let found = find_tables(q, at.show, offset).await?.ok_or(GalaError::NoGala)?;
            let notes = tables::list_notes(q, at.show).await?;
            let mut rows = guests::list_guests(q, at.show).await?;
            rows.retain(|row| row.table.as_ref() == Some(&captain.table));
            let ids: Vec<_> = rows.iter().map(|row| row.ticket.0).collect();
            let holders = holders::list_by_ids(q, at.show, &ids).await?;
            let invitations = captains::list_invitations(q, at.show, &captain.table).await?;
            Ok::<_, GalaError>(CaptainsTable {
                table: table_state(&found, &captain.table, &notes, &[]),
                captain: captain.name,
                guests: told_guests(&holders, &rows, &found),
                invitations,
            })
        })
        .await?;
    Ok(web::Json(found))
}

/// Invite to a captain's table
///
/// Makes a code that so many guests can choose the table with; it is mailed where an address is
/// given.
#[utoipa::path(
    operation_id = "inviteToTable", tag = "gala", params(ShowPath, CaptainToken),
    request_body = InviteGuests, responses((status = 201, body = Invitation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captain/invitations")]
pub(crate) async fn post_invitation(
    actor: Actor<can::ChooseTables>,
    token: CaptainToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<InviteGuests>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.of(&cmd), &hash);
    app.write(&actor, key, async move |tx| invite(tx, show, &hash, &cmd).await.map(Created)).await
}

/// Invitations of one table that nobody has taken back.
const INVITATIONS_MAX: i64 = 50;

async fn invite(
    tx: &mut Tx,
    show: ShowId,
    hash: &[u8],
    cmd: &InviteGuests,
) -> Result<Invitation, GalaError> {
    let captain = captains::look_at_captain(tx, show, hash).await?.ok_or(GalaError::NoCaptain)?;
    // The chairs are the lock: two phones of one captain count their invitations one by one.
    let names = [captain.table.clone()];
    let found = lock_tables(tx, show, &names).await?.ok_or(GalaError::NoGala)?;
    let seats = found.of(&captain.table).count();
    let promised = captains::count_promised(tx, show, &captain.table).await?;
    let places = i64::try_from(seats).unwrap_or(0);
    if promised.0 >= INVITATIONS_MAX || promised.1 + i64::from(cmd.seats) > places {
        let free = usize::try_from(places - promised.1).unwrap_or(0);
        let guests = usize::try_from(cmd.seats).unwrap_or(0);
        let lack = crate::error::Lack { table: captain.table, free, guests };
        return Err(GalaError::TooSmall(vec![lack]));
    }
    let code = secret::invitation()?;
    let invitation = Invitation {
        id: InvitationId::fresh(tx.now()),
        code: Some(code.clone()),
        email: cmd.email.as_deref().map(|email| email.trim().to_owned()),
        seats: cmd.seats,
        used: 0,
        withdrawn: false,
    };
    let now = tx.now();
    let kept = secret::hash(&code);
    captains::insert_invitation(tx, (show, &captain.table), &invitation, kept, now)?;
    if let Some(to) = &invitation.email {
        let at = (found.show.name.as_str(), captain.table.as_str());
        letters::queue_invitation(tx, to, at, (&code, cmd.seats))?;
    }
    Ok(invitation)
}

/// Which invitation to take back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithdrawInvitation {
    /// Its id.
    pub invitation: InvitationId,
}

impl Input for WithdrawInvitation {}

/// Withdraw an invitation to a captain's table
///
/// Who has sat down with it stays; nobody else can.
#[utoipa::path(
    operation_id = "withdrawTableInvitation", tag = "gala", params(ShowPath, CaptainToken),
    request_body = WithdrawInvitation, responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captain/invitations/withdraw")]
pub(crate) async fn post_withdraw(
    actor: Actor<can::ChooseTables>,
    token: CaptainToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<WithdrawInvitation>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.of(&cmd), &hash);
    app.write(&actor, key, async move |tx| {
        let captain = captains::look_at_captain(tx, show, &hash).await?;
        let captain = captain.ok_or(GalaError::NoCaptain)?;
        captains::withdraw(tx, show, &captain.table, Some(cmd.invitation))?;
        Ok::<_, GalaError>(Gone)
    })
    .await
}

/// Open a captain's table to everybody
///
/// The chairs that the captain has not filled are anybody's to choose.
#[utoipa::path(
    operation_id = "openCaptainsTable", tag = "gala", params(ShowPath, CaptainToken),
    responses((status = 200, body = CaptainLinkState), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/captain/open")]
pub(crate) async fn post_open(
    actor: Actor<can::ChooseTables>,
    token: CaptainToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.alone(), &hash);
    app.write(&actor, key, async move |tx| {
        let captain = captains::look_at_captain(tx, show, &hash).await?;
        let captain = captain.ok_or(GalaError::NoCaptain)?;
        if captain.kept {
            change_kept(tx, show, &captain.table, false).await?;
            captains::open_to_all(tx, show, &captain.table)?;
        }
        Ok::<_, GalaError>(Done(CaptainLinkState { table: captain.table, kept: false }))
    })
    .await
}

/// Whether a captain keeps a table.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptainLinkState {
    /// The table.
    pub table: String,
    /// Only whom the captain seats or invites can sit there.
    pub kept: bool,
}

impl Versioned for CaptainLinkState {}
