//! What operators and balancers ask.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get};
use edge::limits::{self, Limits};
use edge::{Actor, App, ReadRefusals, Rejection, can};
use serde_json::json;
use utoipa::OpenApi;

use crate::config::Environment;
use crate::worker::Worker;

/// The operations that are no slice's, for the API's document.
#[derive(OpenApi)]
#[openapi(paths(
    get_limits,
    crate::snapshot::get_snapshot,
    crate::audit::list_audit,
    crate::invariants::get_invariants,
    crate::person::get_export,
    crate::person::post_erase
))]
pub(crate) struct Api;

/// What is in no document.
pub(crate) fn probes(cfg: &mut ServiceConfig) {
    cfg.service(livez).service(readyz).service(health).service(version).service(metrics);
}

/// The operations.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_limits).service(crate::snapshot::get_snapshot);
    cfg.service(crate::audit::list_audit);
    cfg.service(crate::invariants::get_invariants);
    cfg.service(crate::person::get_export).service(crate::person::post_erase);
}

/// Alive: nothing else is asked.
#[get("/livez")]
async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok")
}

/// Ready for requests: PostgreSQL answers and the worker is not going. Redis may be away: events
/// then travel through PostgreSQL.
#[get("/readyz")]
async fn readyz(app: Data<App>, worker: Data<Worker>) -> HttpResponse {
    let database = app.db().ping().await.is_ok();
    let draining = worker.hub().is_draining() || worker.is_going();
    let redis = app.bus().state();
    let status = match (database, draining) {
        (_, true) => "draining",
        (false, _) => "database_away",
        (true, false) if redis == bus::RedisState::Away => "degraded",
        (true, false) => "ready",
    };
    let mut answer = match status {
        "ready" | "degraded" => HttpResponse::Ok(),
        _ => HttpResponse::ServiceUnavailable(),
    };
    answer.json(json!({ "status": status }))
}

/// Each part's state.
#[get("/health")]
async fn health(app: Data<App>, worker: Data<Worker>) -> HttpResponse {
    let database = app.db().ping().await;
    let redis = app.bus().state();
    let mails = notify::waiting(app.db()).await.ok();
    let good = database.is_ok() && redis != bus::RedisState::Away;
    HttpResponse::Ok().json(json!({
        "status": if good { "ok" } else { "degraded" },
        "worker": worker.name(),
        "version": env!("CARGO_PKG_VERSION"),
        "database": if database.is_ok() { "ok" } else { "away" },
        "redis": redis.as_str(),
        "mail": {
            "by": worker.mailer().way().as_str(),
            "queued": mails.map(|waiting| waiting.mails),
            "oldest": mails.and_then(|waiting| waiting.oldest),
        },
        "sockets": worker.hub().sockets(),
        "draining": worker.is_going(),
        "uptimeSecs": worker.uptime().as_secs(),
    }))
}

/// Which build this is.
#[get("/version")]
async fn version() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "name": "rowlock", "version": env!("CARGO_PKG_VERSION") }))
}

/// Metrics for Prometheus, for whoever has the token. On a developer's machine for anybody.
#[get("/metrics")]
async fn metrics(request: HttpRequest, worker: Data<Worker>) -> HttpResponse {
    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let allowed = match worker.metrics_token() {
        Some(token) => {
            edge::token::sha256(token.as_bytes()) == edge::token::sha256(sent.as_bytes())
        }
        None => worker.environment() == Environment::Development,
    };
    if !allowed {
        return HttpResponse::NotFound().finish();
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4"))
        .body(worker.render_metrics())
}

/// Get the API's limits
///
/// Sizes, times and counts that every client can rely on.
#[utoipa::path(
    operation_id = "getLimits", tag = "operations",
    responses((status = 200, body = Limits), ReadRefusals)
)]
#[get("/api/v1/limits")]
async fn get_limits(_: Actor<can::Enter>, app: Data<App>) -> Result<HttpResponse, Rejection> {
    Ok(HttpResponse::Ok().json(limits::table(app.rates())))
}
