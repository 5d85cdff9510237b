//! Change a show: its name, its time, whether it is on sale.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::create_show::{check_common, check_currency};
use crate::model::{Show, ShowPayment, ShowStatus};
use crate::reads::ShowPath;
use crate::store::shows;
use crate::{BookingError, event};

/// What to change; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeShow {
    /// What people read.
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// More about it; an empty text takes it away.
    #[schema(nullable = false, max_length = 4000)]
    pub description: Option<String>,
    /// When it begins.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub starts_at: Option<Timestamp>,
    /// `on_sale`, `closed` or back to `draft`; cancelling has an operation of its own.
    #[schema(nullable = false)]
    pub status: Option<ShowStatus>,
    /// How long a hold lasts, in seconds.
    #[schema(nullable = false, minimum = 30, maximum = 900)]
    pub hold_secs: Option<i32>,
    /// Whether bookings come with tickets; set up the doors and a ticket type first.
    #[schema(nullable = false)]
    pub tickets: Option<bool>,
    /// `required`: bookings are pending until they are paid. Those that were made before stay what
    /// they are. In the venue's own currency only.
    #[schema(nullable = false)]
    pub payment: Option<ShowPayment>,
    /// How long a booking waits for its payment and keeps its seats, in seconds.
    #[schema(nullable = false, minimum = 60, maximum = 259_200)]
    pub pay_secs: Option<i32>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeShow {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 200));
        }
        check_common(self.description.as_deref(), (self.hold_secs, self.pay_secs), errors);
        errors.require(
            self.status != Some(ShowStatus::Cancelled),
            "/status",
            "operation",
            "Cancel a show with POST …/cancel.",
        );
    }
}

/// Change a show
///
/// Give the version that was seen, in `If-Match` or in the body: a stale one is 412 with the
/// present state.
#[utoipa::path(
    operation_id = "changeShow", tag = "booking", params(ShowPath), request_body = ChangeShow,
    security(("bearer" = [])), responses((status = 200, body = Show), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/shows/{show}")]
pub(crate) async fn patch_show(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ShowPath>,
    cmd: Body<ChangeShow>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_show(tx, show, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

/// The rule.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn change_show(
    tx: &mut Tx,
    id: ShowId,
    seen: Option<i64>,
    cmd: &ChangeShow,
) -> Result<Show, BookingError> {
    let mut show = shows::lock_show(tx, id).await?.ok_or(BookingError::NoSuchShow)?;
    if seen.is_some_and(|seen| seen != show.version) {
        return Err(BookingError::StaleShow(Box::new(show)));
    }
    if let Some(status) = cmd.status {
        check_way(show.status, status)?;
        show.status = status;
    }
    if let Some(name) = &cmd.name {
        name.trim().clone_into(&mut show.name);
    }
    if let Some(text) = &cmd.description {
        show.description = Some(text.clone()).filter(|text| !text.is_empty());
    }
    show.starts_at = cmd.starts_at.unwrap_or(show.starts_at);
    show.hold_secs = cmd.hold_secs.unwrap_or(show.hold_secs);
    if let Some(tickets) = cmd.tickets {
        if tickets {
            tickets::of_booking::require_types(tx, id).await?;
        }
        show.tickets = tickets;
    }
    if let Some(payment) = cmd.payment {
        if payment == ShowPayment::Required {
            check_currency(tx, &show).await?;
        }
        show.payment = payment;
    }
    show.pay_secs = cmd.pay_secs.unwrap_or(show.pay_secs);
    show.version += 1;
    shows::update_show(tx, &show)?;
    tx.emit(event::show("show_updated", "changed", &show)?);
    Ok(show)
}

/// A cancelled show stays cancelled; a show that was announced is not a draft again.
fn check_way(from: ShowStatus, to: ShowStatus) -> Result<(), BookingError> {
    use ShowStatus::{Cancelled, Closed, Draft, OnSale};
    match (from, to) {
        (Draft, Draft | OnSale | Closed) | (OnSale | Closed, OnSale | Closed) => Ok(()),
        (Cancelled, _) | (_, Cancelled) | (OnSale | Closed, Draft) => {
            Err(BookingError::NoWay(from, to))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_show_stays_cancelled() {
        assert!(check_way(ShowStatus::Draft, ShowStatus::OnSale).is_ok());
        assert!(check_way(ShowStatus::OnSale, ShowStatus::Closed).is_ok());
        assert!(check_way(ShowStatus::Cancelled, ShowStatus::OnSale).is_err());
        assert!(check_way(ShowStatus::OnSale, ShowStatus::Draft).is_err());
    }
}
