//! What can be looked at. Nothing here locks.

use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::{HttpResponse, get, web};
use edge::page::{Items, Page};
use edge::{Actor, App, Query, ReadRefusals, Rejection, can};
use kernel::ids::{MemberId, VenueId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::IdentityError;
use crate::keys::JwkSet;
use crate::model::{Invitation, Me, Member, SessionSeen, Venue};
use crate::state::Identity;
use crate::store::{invitations, sessions, users, venues};

/// `/venues/{venue}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VenuePath {
    /// The venue.
    #[expect(dead_code, reason = "the actor has read it; here it is only documented")]
    pub venue: VenueId,
}

/// `/venues/{venue}/members/{member}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    /// The venue.
    #[expect(dead_code, reason = "the actor has read it; here it is only documented")]
    pub venue: VenueId,
    /// The member.
    pub member: MemberId,
}

/// Who is signed in
///
/// The user of the access token and the venues where they have a role.
#[utoipa::path(
    operation_id = "getMe", tag = "identity",
    security(("bearer" = [])), responses((status = 200, body = Me), ReadRefusals)
)]
#[get("/api/v1/auth/me")]
pub(crate) async fn get_me(
    actor: Actor<can::ActForSelf>,
    app: web::Data<App>,
) -> Result<web::Json<Me>, Rejection> {
    let id = actor.user()?;
    app.read(&actor, async |q| {
        let user = users::find_user(q, id).await?.ok_or(pg::DbError::UserGone)?;
        let memberships = users::list_memberships(q, id).await?;
        Ok::<_, IdentityError>(web::Json(Me { user, memberships }))
    })
    .await
}

/// List my venues
///
/// Those where the signed-in user has a role.
#[utoipa::path(
    operation_id = "listVenues", tag = "identity", params(Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Venue>), ReadRefusals)
)]
#[get("/api/v1/venues")]
pub(crate) async fn list_venues(
    actor: Actor<can::ActForSelf>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Venue>>, Rejection> {
    let (user, bounds) = (actor.user()?, page.bounds()?);
    app.read(&actor, async |q| {
        let found = venues::list_venues(q, user, bounds).await?;
        Ok::<_, IdentityError>(web::Json(Items::of(found, bounds.0, |venue| venue.id.0)))
    })
    .await
}

/// Read a venue's settings
#[utoipa::path(
    operation_id = "getVenue", tag = "identity", params(VenuePath),
    security(("bearer" = [])), responses((status = 200, body = Venue), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}")]
pub(crate) async fn get_venue(
    actor: Actor<can::ReadVenue>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let venue = app
        .read(&actor, async |q| venues::find_venue(q).await?.ok_or(IdentityError::NoSuchVenue))
        .await?;
    let tag = format!("\"{}\"", venue.version);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(venue))
}

/// List the members of a venue
///
/// Those who have a role now, in the order in which they got it first.
#[utoipa::path(
    operation_id = "listMembers", tag = "identity", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Member>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/members")]
pub(crate) async fn list_members(
    actor: Actor<can::ReadMembers>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Member>>, Rejection> {
    let bounds = page.bounds()?;
    app.read(&actor, async |q| {
        let found = venues::list_members(q, bounds).await?;
        Ok::<_, IdentityError>(web::Json(Items::of(found, bounds.0, |member| member.id.0)))
    })
    .await
}

/// List the open invitations of a venue
///
/// Those that nobody has accepted or withdrawn, also when their link is too old.
#[utoipa::path(
    operation_id = "listInvitations", tag = "identity", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Invitation>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/invitations")]
pub(crate) async fn list_invitations(
    actor: Actor<can::ReadMembers>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Invitation>>, Rejection> {
    let bounds = page.bounds()?;
    app.read(&actor, async |q| {
        let found = invitations::list_invitations(q, bounds).await?;
        Ok::<_, IdentityError>(web::Json(Items::of(found, bounds.0, |one| one.id.0)))
    })
    .await
}

/// List my sessions
///
/// Those that go on: each is one sign-in on one device.
#[utoipa::path(
    operation_id = "listSessions", tag = "identity", params(Page),
    security(("bearer" = [])), responses((status = 200, body = Items<SessionSeen>), ReadRefusals)
)]
#[get("/api/v1/auth/sessions")]
pub(crate) async fn list_sessions(
    actor: Actor<can::ActForSelf>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<SessionSeen>>, Rejection> {
    let (who, bounds) = ((actor.user()?, actor.session), page.bounds()?);
    let offset = app.clock().offset_micros();
    app.read(&actor, async |q| {
        let found = sessions::list_sessions(q, who, offset, bounds).await?;
        Ok::<_, IdentityError>(web::Json(Items::of(found, bounds.0, |one| one.id.0)))
    })
    .await
}

/// Read the keys that verify access tokens
///
/// For other services that take them. A key is published before it signs.
#[utoipa::path(
    operation_id = "getKeySet", tag = "identity",
    responses((status = 200, body = JwkSet), ReadRefusals)
)]
#[get("/.well-known/jwks.json")]
pub(crate) async fn get_key_set(
    _: Actor<can::Enter>,
    identity: web::Data<Identity>,
) -> HttpResponse {
    let keys = identity.keys.public();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=60")).json(keys)
}
