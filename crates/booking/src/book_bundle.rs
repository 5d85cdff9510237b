//! Book a bundle of holds: one booking a show, all of them or none.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use kernel::ids::BundleId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::BookingError;
use crate::book_seats::give;
use crate::bundle::{BundleBookings, BundlePath, check_bundle};
use crate::extend_hold::check_live;
use crate::model::Customer;
use crate::store::bundles;

/// For whom to book a bundle.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookBundle {
    /// The bundle's secret.
    pub token: String,
    /// Whose the bookings are.
    pub customer: Customer,
}

impl Input for BookBundle {
    fn check(&self, errors: &mut Errors) {
        self.customer.check(errors);
    }
}

/// Book a bundle of holds
///
/// One booking for each show, all of them or none. The booking is the check: a bundle that has
/// expired is 410. Bookings that are to be paid have a bill and a `billToken` each, and are paid one
/// by one.
#[utoipa::path(
    operation_id = "bookBundle", tag = "booking",
    params(BundlePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = BookBundle, security(("bearer" = [])),
    responses((status = 201, body = BundleBookings), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bundles/{bundle}/bookings")]
pub(crate) async fn post_book_bundle(
    actor: Actor<can::HoldSeats>,
    once: Once,
    at: Path<BundlePath>,
    cmd: Body<BookBundle>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let bundle = at.bundle;
    app.rush(&actor, once.of(&cmd), async move |tx| {
        book_bundle(tx, bundle, &cmd).await.map(Created)
    })
    .await
}

async fn book_bundle(
    tx: &mut Tx,
    id: BundleId,
    cmd: &BookBundle,
) -> Result<BundleBookings, BookingError> {
    let parts = bundles::lock_bundle(tx, id).await?;
    check_bundle(&parts, &cmd.token)?;
    let now = tx.now();
    for part in &parts {
        check_live(part, now)?;
        part.show.check_on_sale(now)?;
    }
    let mut bookings = Vec::with_capacity(parts.len());
    for part in &parts {
        // The bookings are the holder's, whoever confirms them.
        let whose = (part.seats.as_slice(), part.hold.user, Some(part.hold.id));
        bookings.push(give(tx, &part.show, whose, &cmd.customer).await?);
    }
    Ok(BundleBookings { bookings })
}
