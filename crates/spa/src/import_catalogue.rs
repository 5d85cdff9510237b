//! The catalogue as rows, to be edited elsewhere and brought back.
//!
//! A row is a variant with its service and its category, told by names: what is there already is
//! changed, what is not is made, and what no row names stays. Every row is looked at by itself, so
//! one that is wrong is reported with its number and its fields, and all of them at once.

use std::collections::HashSet;

use actix_web::{get, post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::{CATALOGUE_IMPORT_ROWS_MAX, CATALOGUE_ROWS_MAX};
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{CategoryId, ServiceId, VariantId};
use kernel::money::{Currency, Money};
use pg::Tx;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::SpaError;
use crate::catalogue::{Category, Service, Variant, check_image, check_tags, check_variant};
use crate::error::Kind;
use crate::event;
use crate::reads::VenuePath;
use crate::store::catalogue::{self as store, Stock};
use crate::store::people::{self, house_now};

/// A row: a category; with a service in it; with a variant of that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogueRow {
    /// The category's name.
    #[schema(example = "Massage")]
    pub category: String,
    /// Whether customers see the category.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category_visible: Option<bool>,
    /// The service's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Thai massage")]
    pub service: Option<String>,
    /// More about the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// The service's picture, by https.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub image_url: Option<String>,
    /// What a therapist must have learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub skills: Option<Vec<String>>,
    /// What a room must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub room_needs: Option<Vec<String>>,
    /// Whether customers see the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub service_visible: Option<bool>,
    /// The variant's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "60 minutes")]
    pub variant: Option<String>,
    /// What it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub price: Option<Money>,
    /// How long the treatment takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub minutes: Option<i32>,
    /// What the room takes to be prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub before_minutes: Option<i32>,
    /// What the room takes afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub after_minutes: Option<i32>,
    /// Whether customers see the variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub variant_visible: Option<bool>,
}

/// The catalogue as rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CatalogueRows {
    /// In the catalogue's order, which an import keeps.
    pub rows: Vec<CatalogueRow>,
}

kernel::names! {
    /// What becomes of the good rows when others are wrong.
    OnError {
        /// Nothing is imported.
        Refuse = "refuse",
        /// The good ones are imported.
        Skip = "skip",
    }
}

/// Rows to be imported.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportCatalogue {
    /// As an export gives them, at most 500.
    #[schema(value_type = Vec<CatalogueRow>, max_items = 500)]
    pub rows: Vec<Value>,
    /// Only look: report what is wrong and what would change.
    #[schema(nullable = false)]
    pub dry_run: Option<bool>,
    /// What becomes of the good rows when others are wrong: `refuse`, unless given.
    #[schema(nullable = false)]
    pub on_error: Option<OnError>,
}

impl Input for ImportCatalogue {
    fn check(&self, errors: &mut Errors) {
        let count = self.rows.len();
        let fits = (1..=CATALOGUE_IMPORT_ROWS_MAX).contains(&count);
        let detail = format!("Send 1 to {CATALOGUE_IMPORT_ROWS_MAX} rows; these are {count}.");
        errors.require(fits, "/rows", "row_count", detail);
    }
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowError {
    /// Where: `/rows/3/price`.
    pub pointer: String,
    /// What, and what to do.
    pub detail: String,
}

/// What came of an import, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Whether anything was imported.
    pub imported: bool,
    /// Rows that are new: categories, services, variants.
    pub created: usize,
    /// Those that were there and are changed.
    pub changed: usize,
    /// Those that were there and are as they were.
    pub unchanged: usize,
    /// Everything that is wrong, in the rows' order.
    pub errors: Vec<RowError>,
}

impl Versioned for ImportReport {}

/// Export the catalogue
///
/// All of it, hidden or not, as rows that an import takes.
#[utoipa::path(
    operation_id = "exportCatalogue", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = CatalogueRows), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/catalogue/export")]
pub(crate) async fn get_export(
    actor: Actor<can::ManageSpa>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<CatalogueRows>, Rejection> {
    let stock = app
        .read(&actor, async |q| {
            let venue = q.venue()?;
            let [houses] = q.pipeline([people::house_query(&[&venue])]).await?;
            let house = people::house(&houses)?.ok_or(SpaError::Absent(Kind::Category))?;
            Ok::<_, SpaError>(store::find_stock(q, house.currency).await?)
        })
        .await?;
    Ok(web::Json(CatalogueRows { rows: rows(&stock) }))
}

/// Import a catalogue
///
/// Rows as an export gives them. Names tell what is there already; what no row names stays. Every
/// wrong row is reported; as long as one is, nothing is imported unless `onError` is `skip`.
#[utoipa::path(
    operation_id = "importCatalogue", tag = "spa", params(VenuePath),
    request_body = ImportCatalogue, security(("bearer" = [])),
    responses((status = 200, body = ImportReport), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/catalogue/import")]
pub(crate) async fn post_import(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    at: Path<VenuePath>,
    cmd: Body<ImportCatalogue>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let venue = at.venue;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let report = import_catalogue(tx, &cmd).await?;
        if report.imported {
            let entity = ("venue", venue.0, 0);
            tx.emit(event::catalogue("imported", entity, &report)?);
        }
        Ok::<_, SpaError>(Done(report))
    })
    .await
}

/// The rule.
///
/// # Errors
/// `BadRows`, where rows are wrong and nobody said that they may be skipped.
pub async fn import_catalogue(
    tx: &mut Tx,
    cmd: &ImportCatalogue,
) -> Result<ImportReport, SpaError> {
    let house = house_now(tx).await?;
    let stock = store::lock_stock(tx, house.currency).await?;
    let (good, errors) = read_rows(&cmd.rows, house.currency);
    let mut plan = Plan::of(stock, tx.now());
    for row in &good {
        plan.take(row, house.currency);
    }
    let stock = &plan.stock;
    let most = stock.categories.len().max(stock.services.len()).max(stock.variants.len());
    if most > CATALOGUE_ROWS_MAX {
        return Err(SpaError::TooMany("rows of one kind", CATALOGUE_ROWS_MAX));
    }
    let mut report = plan.report(errors);
    if cmd.dry_run == Some(true) {
        return Ok(report);
    }
    if !report.errors.is_empty() && cmd.on_error != Some(OnError::Skip) {
        return Err(SpaError::BadRows(Box::new(report)));
    }
    plan.save(tx)?;
    report.imported = true;
    Ok(report)
}

/// Each row by itself, then the rows that are said twice.
fn read_rows(rows: &[Value], currency: Currency) -> (Vec<CatalogueRow>, Vec<RowError>) {
    let (mut good, mut wrong, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (n, row) in rows.iter().enumerate() {
        let at = |pointer: &str| format!("/rows/{n}{pointer}");
        let row: CatalogueRow = match serde_json::from_value(row.clone()) {
            Ok(row) => row,
            Err(error) => {
                wrong.push(RowError { pointer: at(""), detail: format!("{error}.") });
                continue;
            }
        };
        let mut errors = Errors::default();
        row.check(currency, &mut errors);
        let key = (row.category.clone(), row.service.clone(), row.variant.clone());
        let new = seen.insert(key);
        errors.require(new, "", "twice", "The same row stands twice.");
        if errors.is_empty() {
            good.push(row);
        }
        wrong.extend(
            errors
                .iter()
                .map(|it| RowError { pointer: at(&it.pointer), detail: it.detail.clone() }),
        );
    }
    (good, wrong)
}

impl CatalogueRow {
    fn check(&self, currency: Currency, errors: &mut Errors) {
        errors.text(&self.category, "/category", (1, 80));
        let named = [("/service", &self.service), ("/variant", &self.variant)];
        for (pointer, name) in named {
            if let Some(name) = name {
                errors.text(name, pointer, (1, 80));
            }
        }
        if let Some(text) = &self.description {
            errors.text(text, "/description", (0, 1000));
        }
        if let Some(url) = &self.image_url {
            check_image(url, "/imageUrl", errors);
        }
        check_tags(self.skills.as_deref().unwrap_or_default(), "/skills", 20, errors);
        check_tags(self.room_needs.as_deref().unwrap_or_default(), "/roomNeeds", 20, errors);
        check_variant(self.price, [self.minutes, self.before_minutes, self.after_minutes], errors);
        let same = self.price.is_none_or(|price| price.currency == currency);
        let detail = format!("This venue is paid in {}.", currency.as_str());
        errors.require(same, "/price/currency", "other_currency", detail);
        if self.variant.is_some() {
            let whole = self.price.is_some() && self.minutes.is_some();
            let detail = "A variant has a price and minutes.";
            errors.require(whole, "/variant", "incomplete", detail);
            let of = self.service.is_some();
            errors.require(of, "/service", "missing", "A variant belongs to a service.");
        }
    }
}

/// The catalogue as it will be, and how it was.
struct Plan {
    before: Stock,
    stock: Stock,
    now: jiff::Timestamp,
}

impl Plan {
    fn of(stock: Stock, now: jiff::Timestamp) -> Self {
        Self { before: stock.clone(), stock, now }
    }

    /// The row's category, service and variant: found by name, or made at the end.
    fn take(&mut self, row: &CatalogueRow, currency: Currency) {
        let category = self.category(row);
        let Some(name) = row.service.as_deref() else { return };
        let service = self.service(row, category, name.trim());
        if let Some(name) = row.variant.as_deref() {
            self.variant(row, service, name.trim(), currency);
        }
    }

    fn category(&mut self, row: &CatalogueRow) -> CategoryId {
        let (name, all) = (row.category.trim(), &mut self.stock.categories);
        if let Some(found) = all.iter_mut().find(|it| it.name == name) {
            found.visible = row.category_visible.unwrap_or(found.visible);
            return found.id;
        }
        let position = all.iter().map(|it| it.position.saturating_add(1)).max().unwrap_or(0);
        let (id, visible) = (CategoryId::fresh(self.now), row.category_visible.unwrap_or(true));
        all.push(Category { id, name: name.to_owned(), position, visible, version: 0 });
        id
    }

    fn service(&mut self, row: &CatalogueRow, category: CategoryId, name: &str) -> ServiceId {
        let all = &mut self.stock.services;
        let at = all.iter().position(|it| it.category_id == category && it.name == name);
        let own = all.iter().filter(|it| it.category_id == category);
        let position = own.map(|it| it.position.saturating_add(1)).max().unwrap_or(0);
        let at = at.unwrap_or_else(|| {
            all.push(Service {
                id: ServiceId::fresh(self.now),
                category_id: category,
                name: name.to_owned(),
                description: None,
                image_url: None,
                skills: Vec::new(),
                room_needs: Vec::new(),
                position,
                visible: true,
                version: 0,
            });
            all.len() - 1
        });
        let Some(it) = all.get_mut(at) else { return ServiceId::fresh(self.now) };
        it.description = row.description.clone().or(it.description.take());
        it.image_url = row.image_url.clone().or(it.image_url.take());
        it.skills = row.skills.clone().unwrap_or_else(|| std::mem::take(&mut it.skills));
        it.room_needs =
            row.room_needs.clone().unwrap_or_else(|| std::mem::take(&mut it.room_needs));
        it.visible = row.service_visible.unwrap_or(it.visible);
        it.id
    }

    fn variant(&mut self, row: &CatalogueRow, service: ServiceId, name: &str, currency: Currency) {
        let all = &mut self.stock.variants;
        let at = all.iter().position(|it| it.service_id == service && it.name == name);
        let own = all.iter().filter(|it| it.service_id == service);
        let position = own.map(|it| it.position.saturating_add(1)).max().unwrap_or(0);
        let at = at.unwrap_or_else(|| {
            all.push(Variant {
                id: VariantId::fresh(self.now),
                service_id: service,
                name: name.to_owned(),
                price: Money { amount: 0, currency },
                minutes: 0,
                before_minutes: 0,
                after_minutes: 0,
                position,
                visible: true,
                version: 0,
            });
            all.len() - 1
        });
        let Some(it) = all.get_mut(at) else { return };
        it.price = row.price.unwrap_or(it.price);
        it.minutes = row.minutes.unwrap_or(it.minutes);
        it.before_minutes = row.before_minutes.unwrap_or(it.before_minutes);
        it.after_minutes = row.after_minutes.unwrap_or(it.after_minutes);
        it.visible = row.variant_visible.unwrap_or(it.visible);
    }

    fn report(&self, errors: Vec<RowError>) -> ImportReport {
        let mut report = ImportReport { errors, ..ImportReport::default() };
        report.count(&self.before.categories, &self.stock.categories, |it| it.version);
        report.count(&self.before.services, &self.stock.services, |it| it.version);
        report.count(&self.before.variants, &self.stock.variants, |it| it.version);
        report
    }

    fn save(mut self, tx: &mut Tx) -> Result<(), SpaError> {
        for it in self.stock.categories.iter_mut().filter(|it| !self.before.categories.contains(it))
        {
            it.version += 1;
            store::save_category(tx, it)?;
        }
        for it in self.stock.services.iter_mut().filter(|it| !self.before.services.contains(it)) {
            it.version += 1;
            store::save_service(tx, it)?;
        }
        for it in self.stock.variants.iter_mut().filter(|it| !self.before.variants.contains(it)) {
            it.version += 1;
            store::save_variant(tx, it)?;
        }
        Ok(())
    }
}

impl ImportReport {
    fn count<T: PartialEq>(&mut self, before: &[T], after: &[T], version: fn(&T) -> i64) {
        for it in after {
            match version(it) {
                0 => self.created += 1,
                _ if before.contains(it) => self.unchanged += 1,
                _ => self.changed += 1,
            }
        }
    }
}

/// The stock as rows: a variant each, a service without any, a category without any.
fn rows(stock: &Stock) -> Vec<CatalogueRow> {
    let mut rows = Vec::new();
    for category in &stock.categories {
        let own = stock.services.iter().filter(|it| it.category_id == category.id);
        let before = rows.len();
        for service in own {
            let variants = stock.variants.iter().filter(|it| it.service_id == service.id);
            let with_service = of_service(category, service);
            let all = variants.map(|variant| of_variant(&with_service, variant));
            let count = rows.len();
            rows.extend(all);
            if rows.len() == count {
                rows.push(with_service);
            }
        }
        if rows.len() == before {
            rows.push(of_category(category));
        }
    }
    rows
}

fn of_category(category: &Category) -> CatalogueRow {
    CatalogueRow {
        category: category.name.clone(),
        category_visible: Some(category.visible),
        ..CatalogueRow::default()
    }
}

fn of_service(category: &Category, service: &Service) -> CatalogueRow {
    CatalogueRow {
        service: Some(service.name.clone()),
        description: service.description.clone(),
        image_url: service.image_url.clone(),
        skills: Some(service.skills.clone()),
        room_needs: Some(service.room_needs.clone()),
        service_visible: Some(service.visible),
        ..of_category(category)
    }
}

fn of_variant(row: &CatalogueRow, variant: &Variant) -> CatalogueRow {
    CatalogueRow {
        variant: Some(variant.name.clone()),
        price: Some(variant.price),
        minutes: Some(variant.minutes),
        before_minutes: Some(variant.before_minutes),
        after_minutes: Some(variant.after_minutes),
        variant_visible: Some(variant.visible),
        ..row.clone()
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
