//! Every route of the product on one screen.

use actix_web::web::ServiceConfig;

use crate::{document, ops};

/// All routes, in the order in which actix tries them.
pub(crate) fn all(cfg: &mut ServiceConfig) {
    cfg.configure(edge::rejection::configure)
        .configure(identity::routes)
        .configure(booking::routes)
        .configure(floor::routes)
        .configure(spa::routes)
        .configure(payments::routes)
        .configure(tickets::routes)
        .configure(gala::routes)
        .configure(realtime::routes)
        .configure(ops::routes)
        .configure(document::routes);
}
