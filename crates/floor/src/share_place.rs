//! A secret link to a party's place in the line, and what it shows.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, get, post, web};
use edge::answer::Versioned;
use edge::{
    Actor, Answer, App, Body, Created, Nothing, OnceIfGiven, Path, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use kernel::ids::GuestId;
use kernel::problem::Problem;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::carry_out::carry_out;
use crate::error::Kind;
use crate::floor::{Floor, Touched};
use crate::model::GuestStatus;
use crate::quote::Quote;
use crate::reads::{GuestPath, VenuePath};
use crate::store::guests;
use crate::{FloorError, secret};

const HEADER: &str = "Waitlist-Token";

/// The link's secret, in a header: paths and queries end in logs.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("Waitlist-Token"), parameter_in = Header)]
pub struct WaitlistToken(
    /// The `token` of the link.
    pub String,
);

impl FromRequest for WaitlistToken {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        ready(token.map(|token| Self(token.to_owned())).ok_or_else(|| {
            let detail = "Send the token of the link in the header Waitlist-Token.";
            Problem::new(400, "floor.token_missing", "The token is missing", detail).into()
        }))
    }
}

/// What a link is made of.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceLink {
    /// Put it behind the `#` of the page's address: what stands there is sent to no server. Shown
    /// only here.
    pub token: String,
}

impl Versioned for PlaceLink {}

/// A place in the line. No name: whoever has the link knows whose it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceInLine {
    /// Where the party stands.
    pub status: GuestStatus,
    /// How many they are.
    pub party_size: i32,
    /// Parties before it; 0 once it is not waiting any more.
    pub ahead: i64,
    /// The least wait that it was told, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quoted_from_minutes: Option<i32>,
    /// The longest wait that it was told, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quoted_to_minutes: Option<i32>,
    /// The wait that is left, as the floor was a moment ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quote: Option<Quote>,
}

/// Share a party's place in the line
///
/// Makes a secret for a page that the party can look at; an earlier one counts no more.
#[utoipa::path(
    operation_id = "sharePlaceInLine", tag = "floor", params(GuestPath),
    security(("bearer" = [])), responses((status = 201, body = PlaceLink), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/link")]
pub(crate) async fn post_link(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    at: Path<GuestPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let token = secret::fresh()?;
        let touched = Touched::guest(guest);
        carry_out(tx, &touched, |floor| share_place(floor, guest, token)).await.map(Created)
    })
    .await
}

fn share_place(floor: &mut Floor, id: GuestId, token: String) -> Result<PlaceLink, FloorError> {
    let party = floor.change_guest(id, "link_shared")?;
    party.link_hash = Some(secret::hash(&token));
    Ok(PlaceLink { token })
}

/// Get a place in the line
///
/// For whoever has the link, without signing in.
#[utoipa::path(
    operation_id = "getPlaceInLine", tag = "floor", params(VenuePath, WaitlistToken),
    responses((status = 200, body = PlaceInLine), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/waitlist/place")]
pub(crate) async fn get_place(
    actor: Actor<can::AskForTables>,
    token: WaitlistToken,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<PlaceInLine>, Rejection> {
    let hash = secret::hash(&token.0);
    let found = app
        .read(&actor, async |q| {
            let found = guests::find_place_in_line(q, &hash).await?;
            found.ok_or(FloorError::Absent(Kind::Guest))
        })
        .await?;
    let waits = matches!(found.status, GuestStatus::Waiting | GuestStatus::Notified);
    Ok(web::Json(PlaceInLine {
        status: found.status,
        party_size: found.party_size,
        ahead: if waits { found.ahead } else { 0 },
        quoted_from_minutes: found.quoted.map(|quoted| quoted.0),
        quoted_to_minutes: found.quoted.map(|quoted| quoted.1),
        quote: found.quote.filter(|_| waits),
    }))
}
