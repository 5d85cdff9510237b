//! Every route of the product on one screen.

use actix_web::web::ServiceConfig;

use crate::{document, ops};

/// All routes, in the order in which actix tries them.
pub(crate) fn all(cfg: &mut ServiceConfig) {
    cfg.configure(edge::rejection::configure)
        .configure(identity::routes)
        .configure(booking::routes)
        .configure(floor::routes)
        .configure(realtime::routes)
        .configure(ops::routes)
        .configure(document::routes);
}
