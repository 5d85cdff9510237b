//! Make, change and delete variants of the catalogue.

use actix_web::{delete, patch, post, web};
use edge::body::Errors;
use edge::limits::CATALOGUE_ROWS_MAX;
use edge::{
    Actor, Answer, App, Body, Created, Done, Gone, IfMatch, Input, OnceIfGiven, Path, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{ServiceId, VariantId};
use kernel::money::Money;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::catalogue::{Variant, check_variant, stale};
use crate::error::Kind;
use crate::reads::{VariantPath, VenuePath};
use crate::store::catalogue as store;
use crate::store::people::{House, house_now};
use crate::{SpaError, event};

/// What a variant is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateVariant {
    /// Its service.
    pub service: ServiceId,
    /// Unique in the service.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// What it costs, in the venue's currency.
    pub price: Money,
    /// How long the treatment takes.
    #[schema(minimum = 5, maximum = 720)]
    pub minutes: i32,
    /// What the room takes to be prepared; nothing, unless given.
    #[schema(nullable = false, minimum = 0, maximum = 120)]
    pub before_minutes: Option<i32>,
    /// What the room takes afterwards, besides its own turnover; nothing, unless given.
    #[schema(nullable = false, minimum = 0, maximum = 120)]
    pub after_minutes: Option<i32>,
    /// Its place; the last, unless given.
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// Whether customers see it; yes, unless given.
    #[schema(nullable = false)]
    pub visible: Option<bool>,
}

/// What changes about a variant.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeVariant {
    /// Unique in the service.
    #[schema(nullable = false, min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// What it costs: orders that were made keep their price.
    #[schema(nullable = false)]
    pub price: Option<Money>,
    /// How long the treatment takes.
    #[schema(nullable = false, minimum = 5, maximum = 720)]
    pub minutes: Option<i32>,
    /// What the room takes to be prepared.
    #[schema(nullable = false, minimum = 0, maximum = 120)]
    pub before_minutes: Option<i32>,
    /// What the room takes afterwards, besides its own turnover.
    #[schema(nullable = false, minimum = 0, maximum = 120)]
    pub after_minutes: Option<i32>,
    /// Its place.
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// Whether customers see it.
    #[schema(nullable = false)]
    pub visible: Option<bool>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for CreateVariant {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 80));
        let times = [Some(self.minutes), self.before_minutes, self.after_minutes];
        check_variant(Some(self.price), times, errors);
    }
}

impl Input for ChangeVariant {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 80));
        }
        check_variant(self.price, [self.minutes, self.before_minutes, self.after_minutes], errors);
    }
}

fn check_currency(price: Money, house: &House) -> Result<(), SpaError> {
    if price.currency == house.currency {
        return Ok(());
    }
    Err(SpaError::OtherCurrency(house.currency.as_str().to_owned()))
}

/// Create a variant
#[utoipa::path(
    operation_id = "createVariant", tag = "spa", params(VenuePath), request_body = CreateVariant,
    security(("bearer" = [])), responses((status = 201, body = Variant), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/catalogue/variants")]
pub(crate) async fn post_variant(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateVariant>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| create_variant(tx, &cmd).await.map(Created))
        .await
}

async fn create_variant(tx: &mut Tx, cmd: &CreateVariant) -> Result<Variant, SpaError> {
    let house = house_now(tx).await?;
    check_currency(cmd.price, &house)?;
    let stock = store::lock_stock(tx, house.currency).await?;
    if stock.variants.len() >= CATALOGUE_ROWS_MAX {
        return Err(SpaError::TooMany("variants", CATALOGUE_ROWS_MAX));
    }
    if !stock.services.iter().any(|it| it.id == cmd.service) {
        return Err(SpaError::Absent(Kind::Service));
    }
    let own = stock.variants.iter().filter(|it| it.service_id == cmd.service);
    let last = own.map(|it| it.position.saturating_add(1)).max();
    let variant = Variant {
        id: VariantId::fresh(tx.now()),
        service_id: cmd.service,
        name: cmd.name.trim().to_owned(),
        price: cmd.price,
        minutes: cmd.minutes,
        before_minutes: cmd.before_minutes.unwrap_or(0),
        after_minutes: cmd.after_minutes.unwrap_or(0),
        position: cmd.position.or(last).unwrap_or(0),
        visible: cmd.visible.unwrap_or(true),
        version: 1,
    };
    store::save_variant(tx, &variant)?;
    tx.emit(event::catalogue("created", ("variant", variant.id.0, 1), &variant)?);
    Ok(variant)
}

/// Change a variant
///
/// Orders that were made keep their price; carts that saw the old one are told.
#[utoipa::path(
    operation_id = "changeVariant", tag = "spa", params(VariantPath), request_body = ChangeVariant,
    security(("bearer" = [])), responses((status = 200, body = Variant), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/catalogue/variants/{variant}")]
pub(crate) async fn patch_variant(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<VariantPath>,
    cmd: Body<ChangeVariant>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.variant;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_variant(tx, id, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

async fn change_variant(
    tx: &mut Tx,
    id: VariantId,
    seen: Option<i64>,
    cmd: &ChangeVariant,
) -> Result<Variant, SpaError> {
    let house = house_now(tx).await?;
    let found = store::lock_variant(tx, id, house.currency).await?;
    let found = found.ok_or(SpaError::Absent(Kind::Variant))?;
    stale(seen, found.version, &found)?;
    let price = cmd.price.unwrap_or(found.price);
    check_currency(price, &house)?;
    let variant = Variant {
        name: cmd.name.as_deref().map_or(found.name, |name| name.trim().to_owned()),
        price,
        minutes: cmd.minutes.unwrap_or(found.minutes),
        before_minutes: cmd.before_minutes.unwrap_or(found.before_minutes),
        after_minutes: cmd.after_minutes.unwrap_or(found.after_minutes),
        position: cmd.position.unwrap_or(found.position),
        visible: cmd.visible.unwrap_or(found.visible),
        version: found.version + 1,
        ..found
    };
    store::save_variant(tx, &variant)?;
    tx.emit(event::catalogue("changed", ("variant", id.0, variant.version), &variant)?);
    Ok(variant)
}

/// Delete a variant
///
/// Orders that were made keep it on their bills.
#[utoipa::path(
    operation_id = "deleteVariant", tag = "spa", params(VariantPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/catalogue/variants/{variant}")]
pub(crate) async fn delete_variant(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    at: Path<VariantPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.variant;
    app.write(&actor, once.alone(), async move |tx| {
        let house = house_now(tx).await?;
        let found = store::lock_variant(tx, id, house.currency).await?;
        let found = found.ok_or(SpaError::Absent(Kind::Variant))?;
        store::delete_variant(tx, id)?;
        tx.emit(event::catalogue("deleted", ("variant", id.0, found.version), &found)?);
        Ok::<_, SpaError>(Gone)
    })
    .await
}
