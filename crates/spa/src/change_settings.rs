//! How the spa works: read it, change it.

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, get, put, web};
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, OnceIfGiven, Path, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use pg::Tx;

use crate::SpaError;
use crate::catalogue::stale;
use crate::reads::VenuePath;
use crate::settings::{SpaRules, SpaSettings};
use crate::store::people;

/// Get the spa's settings
#[utoipa::path(
    operation_id = "getSpaSettings", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = SpaSettings), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/spa/settings")]
pub(crate) async fn get_settings(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let settings = app.read(&actor, async |q| people::find_settings(q).await).await?;
    let tag = format!("\"{}\"", settings.version);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(settings))
}

/// Change the spa's settings
///
/// All rules at once. They count for what is claimed from now on.
#[utoipa::path(
    operation_id = "changeSpaSettings", tag = "spa", request_body = SpaRules,
    params(VenuePath,
        ("If-Match" = Option<String>, Header, description = "The version that was seen")),
    security(("bearer" = [])), responses((status = 200, body = SpaSettings), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/spa/settings")]
pub(crate) async fn put_settings(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    seen: IfMatch,
    _at: Path<VenuePath>,
    cmd: Body<SpaRules>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_settings(tx, seen.0, cmd.clone().into_inner()).await.map(Done)
    })
    .await
}

async fn change_settings(
    tx: &mut Tx,
    seen: Option<i64>,
    rules: SpaRules,
) -> Result<SpaSettings, SpaError> {
    let found = people::lock_settings(tx).await?;
    stale(seen, found.version, &found)?;
    let settings = SpaSettings { rules, version: found.version + 1 };
    people::save_settings(tx, &settings)?;
    Ok(settings)
}
