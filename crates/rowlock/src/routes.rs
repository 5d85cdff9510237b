//! Every route of the product on one screen.

use std::sync::LazyLock;

use actix_web::web::{ServiceConfig, scope};
use edge::switch::{Slice, Switch};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::{document, ops};

/// A slice: its part of the document, and its routes.
type Part = (fn() -> OpenApi, fn(&mut ServiceConfig));

/// The slices, in the order in which the document shows them.
const SLICES: [Part; 9] = [
    (identity::Api::openapi, identity::routes),
    (booking::Api::openapi, booking::routes),
    (tickets::Api::openapi, tickets::routes),
    (gala::Api::openapi, gala::routes),
    (floor::Api::openapi, floor::routes),
    (spa::Api::openapi, spa::routes),
    (payments::Api::openapi, payments::routes),
    (realtime::RealtimeApi::openapi, realtime::routes),
    (ops::Api::openapi, ops::routes),
];

static SWITCH: LazyLock<Switch> = LazyLock::new(|| Switch::new(&documents()));

/// What each slice adds to the document.
pub(crate) fn documents() -> Vec<OpenApi> {
    SLICES.iter().map(|(document, _)| document()).collect()
}

/// All routes. An operation is looked for in its slice alone; the pages and the probes, which are
/// in no document, by all others.
pub(crate) fn all(cfg: &mut ServiceConfig) {
    cfg.configure(edge::rejection::configure);
    for (number, (_, routes)) in SLICES.into_iter().enumerate() {
        cfg.service(scope("").guard(Slice { switch: &SWITCH, number }).configure(routes));
    }
    cfg.configure(ops::probes).configure(document::routes).configure(tickets::pages);
}
