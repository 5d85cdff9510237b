//! Make, change and delete categories of the catalogue.

use actix_web::{delete, patch, post, web};
use edge::body::Errors;
use edge::limits::CATALOGUE_ROWS_MAX;
use edge::{
    Actor, Answer, App, Body, Created, Done, Gone, IfMatch, Input, OnceIfGiven, Path, Rejection,
    WriteRefusals, can,
};
use kernel::ids::CategoryId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::catalogue::{Category, stale};
use crate::error::Kind;
use crate::reads::{CategoryPath, VenuePath};
use crate::store::catalogue as store;
use crate::store::people::house_now;
use crate::{SpaError, event};

/// What a category is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCategory {
    /// Unique in the venue.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// Its place; the last, unless given.
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// Whether customers see it; yes, unless given.
    #[schema(nullable = false)]
    pub visible: Option<bool>,
}

/// What changes about a category.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCategory {
    /// Unique in the venue.
    #[schema(nullable = false, min_length = 1, max_length = 80)]
    pub name: Option<String>,
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

impl Input for CreateCategory {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 80));
    }
}

impl Input for ChangeCategory {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 80));
        }
    }
}

/// Create a category
#[utoipa::path(
    operation_id = "createCategory", tag = "spa", params(VenuePath), request_body = CreateCategory,
    security(("bearer" = [])), responses((status = 201, body = Category), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/catalogue/categories")]
pub(crate) async fn post_category(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateCategory>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| create_category(tx, &cmd).await.map(Created))
        .await
}

async fn create_category(tx: &mut Tx, cmd: &CreateCategory) -> Result<Category, SpaError> {
    let house = house_now(tx).await?;
    let stock = store::lock_stock(tx, house.currency).await?;
    if stock.categories.len() >= CATALOGUE_ROWS_MAX {
        return Err(SpaError::TooMany("categories", CATALOGUE_ROWS_MAX));
    }
    let last = stock.categories.iter().map(|it| it.position.saturating_add(1)).max();
    let category = Category {
        id: CategoryId::fresh(tx.now()),
        name: cmd.name.trim().to_owned(),
        position: cmd.position.or(last).unwrap_or(0),
        visible: cmd.visible.unwrap_or(true),
        version: 1,
    };
    store::save_category(tx, &category)?;
    tx.emit(event::catalogue("created", ("category", category.id.0, 1), &category)?);
    Ok(category)
}

/// Change a category
#[utoipa::path(
    operation_id = "changeCategory", tag = "spa", params(CategoryPath), request_body = ChangeCategory,
    security(("bearer" = [])), responses((status = 200, body = Category), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/catalogue/categories/{category}")]
pub(crate) async fn patch_category(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<CategoryPath>,
    cmd: Body<ChangeCategory>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.category;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_category(tx, id, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

async fn change_category(
    tx: &mut Tx,
    id: CategoryId,
    seen: Option<i64>,
    cmd: &ChangeCategory,
) -> Result<Category, SpaError> {
    let found = store::lock_category(tx, id).await?.ok_or(SpaError::Absent(Kind::Category))?;
    stale(seen, found.version, &found)?;
    let category = Category {
        name: cmd.name.as_deref().map_or(found.name, |name| name.trim().to_owned()),
        position: cmd.position.unwrap_or(found.position),
        visible: cmd.visible.unwrap_or(found.visible),
        version: found.version + 1,
        ..found
    };
    store::save_category(tx, &category)?;
    tx.emit(event::catalogue("changed", ("category", id.0, category.version), &category)?);
    Ok(category)
}

/// Delete a category
///
/// One that has no services any more.
#[utoipa::path(
    operation_id = "deleteCategory", tag = "spa", params(CategoryPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/catalogue/categories/{category}")]
pub(crate) async fn delete_category(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    at: Path<CategoryPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.category;
    app.write(&actor, once.alone(), async move |tx| {
        let found = store::lock_category(tx, id).await?.ok_or(SpaError::Absent(Kind::Category))?;
        store::delete_category(tx, id)?;
        tx.emit(event::catalogue("deleted", ("category", id.0, found.version), &found)?);
        Ok::<_, SpaError>(Gone)
    })
    .await
}
