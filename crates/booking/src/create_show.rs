//! Make a show. It has no seats until it is laid out, and is a draft until it is put on sale.

use actix_web::{post, web};
use edge::body::Errors;
use edge::limits::{PAY_MAX_SECS, PAY_MIN_SECS};
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::ShowId;
use kernel::money::Currency;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::{Show, ShowPayment, ShowStatus};
use crate::reads::VenuePath;
use crate::store::shows;
use crate::{BookingError, event};

/// How long a hold lasts unless the show says otherwise, in seconds.
const HOLD_DEFAULT_SECS: i32 = 120;

/// How long a booking waits for its payment unless the show says otherwise, in seconds.
const PAY_DEFAULT_SECS: i32 = 900;

/// What a show is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateShow {
    /// What people read.
    #[schema(min_length = 1, max_length = 200, example = "Winter Gala")]
    pub name: String,
    /// More about it.
    #[schema(nullable = false, max_length = 4000)]
    pub description: Option<String>,
    /// When it begins.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime, example = "2027-02-01T19:00:00.000000Z")]
    pub starts_at: Timestamp,
    /// The currency of its prices, ISO 4217.
    pub currency: Currency,
    /// How long a hold lasts, in seconds; 120 unless given.
    #[schema(nullable = false, minimum = 30, maximum = 900)]
    pub hold_secs: Option<i32>,
    /// `required`: bookings are pending until they are paid; `none` unless given. In the venue's
    /// own currency only.
    #[schema(nullable = false)]
    pub payment: Option<ShowPayment>,
    /// How long a booking waits for its payment and keeps its seats, in seconds; 900 unless given.
    #[schema(nullable = false, minimum = 60, maximum = 259_200)]
    pub pay_secs: Option<i32>,
}

impl Input for CreateShow {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 200));
        check_common(self.description.as_deref(), (self.hold_secs, self.pay_secs), errors);
    }
}

/// The rules that making and changing a show share.
pub(crate) fn check_common(
    description: Option<&str>,
    (hold, pay): (Option<i32>, Option<i32>),
    errors: &mut Errors,
) {
    if let Some(text) = description {
        errors.text(text, "/description", (0, 4000));
    }
    let holds = hold.is_none_or(|secs| (30..=900).contains(&secs));
    errors.require(holds, "/holdSecs", "range", "A hold lasts 30 to 900 seconds.");
    let pays = pay.is_none_or(|secs| (PAY_MIN_SECS..=PAY_MAX_SECS).contains(&secs));
    let detail = "A booking waits a minute to three days for its payment.";
    errors.require(pays, "/paySecs", "range", detail);
}

/// Bills are in the venue's own currency.
pub(crate) async fn check_currency(tx: &mut Tx, show: &Show) -> Result<(), BookingError> {
    let house = payments::bill::house_currency(tx).await?;
    if house.as_str() == show.currency {
        Ok(())
    } else {
        Err(BookingError::NotHouseCurrency(house.as_str().to_owned()))
    }
}

/// Create a show
///
/// Lay it out next (`PUT …/layout`), then put it on sale (`PATCH` with `"status": "on_sale"`).
#[utoipa::path(
    operation_id = "createShow", tag = "booking", params(VenuePath), request_body = CreateShow,
    security(("bearer" = [])), responses((status = 201, body = Show), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows")]
pub(crate) async fn post_show(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateShow>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| create_show(tx, &cmd).await.map(Created)).await
}

/// The rule.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn create_show(tx: &mut Tx, cmd: &CreateShow) -> Result<Show, BookingError> {
    let now = tx.now();
    let show = Show {
        id: ShowId::fresh(now),
        name: cmd.name.trim().to_owned(),
        description: cmd.description.clone(),
        starts_at: cmd.starts_at,
        status: ShowStatus::Draft,
        hold_secs: cmd.hold_secs.unwrap_or(HOLD_DEFAULT_SECS),
        currency: cmd.currency.as_str().to_owned(),
        seat_count: 0,
        tickets: false,
        payment: cmd.payment.unwrap_or(ShowPayment::None),
        pay_secs: cmd.pay_secs.unwrap_or(PAY_DEFAULT_SECS),
        version: 1,
    };
    if show.payment == ShowPayment::Required {
        check_currency(tx, &show).await?;
    }
    shows::insert_show(tx, &show, now)?;
    tx.emit(event::show("show_created", "created", &show)?);
    Ok(show)
}
