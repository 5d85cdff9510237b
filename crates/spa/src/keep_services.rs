//! Make, change and delete services of the catalogue.

use actix_web::{delete, patch, post, web};
use edge::body::Errors;
use edge::limits::CATALOGUE_ROWS_MAX;
use edge::{
    Actor, Answer, App, Body, Created, Done, Gone, IfMatch, Input, OnceIfGiven, Path, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{CategoryId, ServiceId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::catalogue::{Service, check_image, check_tags, stale};
use crate::error::Kind;
use crate::reads::{ServicePath, VenuePath};
use crate::store::catalogue as store;
use crate::store::people::house_now;
use crate::{SpaError, event};

/// What a service is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateService {
    /// Its category.
    pub category: CategoryId,
    /// Unique in the category.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// More about it.
    #[schema(nullable = false, max_length = 1000)]
    pub description: Option<String>,
    /// A picture, by https.
    #[schema(nullable = false, max_length = 500)]
    pub image_url: Option<String>,
    /// What a therapist must have learnt; nothing, unless given.
    #[schema(nullable = false, max_items = 20)]
    pub skills: Option<Vec<String>>,
    /// What a room must offer; nothing, unless given.
    #[schema(nullable = false, max_items = 20)]
    pub room_needs: Option<Vec<String>>,
    /// Its place; the last, unless given.
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// Whether customers see it; yes, unless given.
    #[schema(nullable = false)]
    pub visible: Option<bool>,
}

/// What changes about a service.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeService {
    /// Its category.
    #[schema(nullable = false)]
    pub category: Option<CategoryId>,
    /// Unique in the category.
    #[schema(nullable = false, min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// More about it; empty takes it away.
    #[schema(nullable = false, max_length = 1000)]
    pub description: Option<String>,
    /// A picture, by https; empty takes it away.
    #[schema(nullable = false, max_length = 500)]
    pub image_url: Option<String>,
    /// What a therapist must have learnt.
    #[schema(nullable = false, max_items = 20)]
    pub skills: Option<Vec<String>>,
    /// What a room must offer.
    #[schema(nullable = false, max_items = 20)]
    pub room_needs: Option<Vec<String>>,
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

impl Input for CreateService {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 80));
        check(self.description.as_deref(), self.image_url.as_deref(), errors);
        check_tags(self.skills.as_deref().unwrap_or_default(), "/skills", 20, errors);
        check_tags(self.room_needs.as_deref().unwrap_or_default(), "/roomNeeds", 20, errors);
    }
}

impl Input for ChangeService {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 80));
        }
        check(self.description.as_deref(), self.image_url.as_deref(), errors);
        check_tags(self.skills.as_deref().unwrap_or_default(), "/skills", 20, errors);
        check_tags(self.room_needs.as_deref().unwrap_or_default(), "/roomNeeds", 20, errors);
    }
}

fn check(description: Option<&str>, image: Option<&str>, errors: &mut Errors) {
    if let Some(text) = description {
        errors.text(text, "/description", (0, 1000));
    }
    if let Some(url) = image.filter(|url| !url.is_empty()) {
        check_image(url, "/imageUrl", errors);
    }
}

/// Text that is there; empty is none.
fn some(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Create a service
#[utoipa::path(
    operation_id = "createService", tag = "spa", params(VenuePath), request_body = CreateService,
    security(("bearer" = [])), responses((status = 201, body = Service), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/catalogue/services")]
pub(crate) async fn post_service(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateService>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| create_service(tx, &cmd).await.map(Created))
        .await
}

async fn create_service(tx: &mut Tx, cmd: &CreateService) -> Result<Service, SpaError> {
    let house = house_now(tx).await?;
    let stock = store::lock_stock(tx, house.currency).await?;
    if stock.services.len() >= CATALOGUE_ROWS_MAX {
        return Err(SpaError::TooMany("services", CATALOGUE_ROWS_MAX));
    }
    if !stock.categories.iter().any(|it| it.id == cmd.category) {
        return Err(SpaError::Absent(Kind::Category));
    }
    let own = stock.services.iter().filter(|it| it.category_id == cmd.category);
    let last = own.map(|it| it.position.saturating_add(1)).max();
    let service = Service {
        id: ServiceId::fresh(tx.now()),
        category_id: cmd.category,
        name: cmd.name.trim().to_owned(),
        description: some(cmd.description.as_ref()),
        image_url: some(cmd.image_url.as_ref()),
        skills: cmd.skills.clone().unwrap_or_default(),
        room_needs: cmd.room_needs.clone().unwrap_or_default(),
        position: cmd.position.or(last).unwrap_or(0),
        visible: cmd.visible.unwrap_or(true),
        version: 1,
    };
    store::save_service(tx, &service)?;
    tx.emit(event::catalogue("created", ("service", service.id.0, 1), &service)?);
    Ok(service)
}

/// Change a service
#[utoipa::path(
    operation_id = "changeService", tag = "spa", params(ServicePath), request_body = ChangeService,
    security(("bearer" = [])), responses((status = 200, body = Service), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/catalogue/services/{service}")]
pub(crate) async fn patch_service(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ServicePath>,
    cmd: Body<ChangeService>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.service;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_service(tx, id, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

async fn change_service(
    tx: &mut Tx,
    id: ServiceId,
    seen: Option<i64>,
    cmd: &ChangeService,
) -> Result<Service, SpaError> {
    let found = store::lock_service(tx, id).await?.ok_or(SpaError::Absent(Kind::Service))?;
    stale(seen, found.version, &found)?;
    if let Some(category) = cmd.category {
        store::lock_category(tx, category).await?.ok_or(SpaError::Absent(Kind::Category))?;
    }
    let (description, image_url) = (found.description.as_ref(), found.image_url.as_ref());
    let service = Service {
        category_id: cmd.category.unwrap_or(found.category_id),
        description: some(cmd.description.as_ref().or(description)),
        image_url: some(cmd.image_url.as_ref().or(image_url)),
        name: cmd.name.as_deref().map_or(found.name, |name| name.trim().to_owned()),
        skills: cmd.skills.clone().unwrap_or(found.skills),
        room_needs: cmd.room_needs.clone().unwrap_or(found.room_needs),
        position: cmd.position.unwrap_or(found.position),
        visible: cmd.visible.unwrap_or(found.visible),
        version: found.version + 1,
        ..found
    };
    store::save_service(tx, &service)?;
    tx.emit(event::catalogue("changed", ("service", id.0, service.version), &service)?);
    Ok(service)
}

/// Delete a service
///
/// One that has no variants any more.
#[utoipa::path(
    operation_id = "deleteService", tag = "spa", params(ServicePath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/catalogue/services/{service}")]
pub(crate) async fn delete_service(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    at: Path<ServicePath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.service;
    app.write(&actor, once.alone(), async move |tx| {
        let found = store::lock_service(tx, id).await?.ok_or(SpaError::Absent(Kind::Service))?;
        store::delete_service(tx, id)?;
        tx.emit(event::catalogue("deleted", ("service", id.0, found.version), &found)?);
        Ok::<_, SpaError>(Gone)
    })
    .await
}
