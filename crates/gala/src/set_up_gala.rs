//! How a show seats its guests: made, changed, looked at.

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, get, put, web};
use booking::model::ShowStatus;
use booking::reads::ShowPath;
use booking::tables::look_at_tables;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::Gala;
use crate::store::galas;
use crate::{GalaError, event, list_tables};

/// How a show seats its guests.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetUpGala {
    /// Whether guests can choose; they can, unless given.
    #[schema(nullable = false)]
    pub open: Option<bool>,
    /// Whether guests see who sits where; they do not, unless given.
    #[schema(nullable = false)]
    pub names_shown: Option<bool>,
    /// Guests cannot choose before; at once, unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub opens_at: Option<Timestamp>,
    /// Guests cannot choose or change from then on; when the show begins, unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub closes_at: Option<Timestamp>,
    /// The version that this changes; whatever there is, unless given.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for SetUpGala {
    fn check(&self, errors: &mut edge::body::Errors) {
        let order = self.opens_at.zip(self.closes_at).is_none_or(|(from, to)| from < to);
        errors.require(order, "/closesAt", "order", "A gala opens before it closes.");
    }
}

/// Set up a gala
///
/// From then on guests of the show choose their chairs at its tables. A gala of the usual size: a
/// layout with 25 blocks of the kind `table` with 10 seats each.
#[utoipa::path(
    operation_id = "setUpGala", tag = "gala", params(ShowPath), request_body = SetUpGala,
    security(("bearer" = [])), responses((status = 200, body = Gala), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/shows/{show}/gala")]
pub(crate) async fn put_gala(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<SetUpGala>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| set_up_gala(tx, show, &cmd).await.map(Done))
        .await
}

async fn set_up_gala(tx: &mut Tx, show: ShowId, cmd: &SetUpGala) -> Result<Gala, GalaError> {
    let now = galas::lock_gala(tx, show).await?;
    let tables = look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    if tables.names.is_empty() {
        return Err(GalaError::NoSuchTables(vec!["at all: lay it out with some".to_owned()]));
    }
    let version = now.as_ref().map_or(0, |gala| gala.version);
    if let Some(gala) = now.filter(|gala| cmd.version.is_some_and(|seen| seen != gala.version)) {
        return Err(GalaError::StaleGala(Box::new(gala)));
    }
    let gala = Gala {
        show_id: show,
        open: cmd.open.unwrap_or(true),
        names_shown: cmd.names_shown.unwrap_or(false),
        opens_at: cmd.opens_at,
        closes_at: cmd.closes_at,
        version: version + 1,
    };
    galas::put_gala(tx, &gala)?;
    tx.emit(event::gala(&gala)?);
    Ok(gala)
}

/// Get a gala
///
/// How the show seats its guests, and until when they choose.
#[utoipa::path(
    operation_id = "getGala", tag = "gala", params(ShowPath),
    responses((status = 200, body = Gala), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala")]
pub(crate) async fn get_gala(
    actor: Actor<can::ChooseTables>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (staff, offset) = (actor.standing.is_staff(), app.clock().offset_micros());
    let gala = app
        .read(&actor, async |q| {
            let (gala, tables) = list_tables::find_gala(q, at.show, offset).await?;
            let hidden = tables.show.status == ShowStatus::Draft && !staff;
            if hidden { Err(GalaError::NoGala) } else { Ok(gala) }
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", gala.version))).json(gala))
}
