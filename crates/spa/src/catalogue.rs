//! What the spa sells: categories, services, variants; and the catalogue as customers read it.

use actix_web::{get, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use kernel::ids::{CategoryId, ServiceId, UserId, VariantId};
use kernel::money::{Currency, Money};
use kernel::role::Permission;
use pg::Reader;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use utoipa::{IntoParams, ToSchema};

use crate::SpaError;
use crate::error::Kind;
use crate::reads::VenuePath;
use crate::store::catalogue::{Stock, find_stock};
use crate::store::people;

/// Characters of a skill, or of what a room offers.
const TAG_MAX_CHARS: usize = 40;

/// A kind of services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceCategory)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// Unique in the venue.
    #[schema(example = "Massage")]
    pub name: String,
    /// Its place in the catalogue.
    pub position: i32,
    /// Whether customers see it.
    pub visible: bool,
    /// Rises with every change.
    pub version: i64,
}

/// What is sold, in variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its category.
    pub category_id: CategoryId,
    /// Unique in the category.
    #[schema(example = "Thai massage")]
    pub name: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// A picture, by https.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://cdn.example.org/thai.jpg")]
    pub image_url: Option<String>,
    /// What a therapist must have learnt.
    pub skills: Vec<String>,
    /// What a room must offer.
    pub room_needs: Vec<String>,
    /// Its place in the category.
    pub position: i32,
    /// Whether customers see it.
    pub visible: bool,
    /// Rises with every change.
    pub version: i64,
}

/// A service with a price and a duration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// Its id: what a cart names.
    pub id: VariantId,
    /// Its service.
    pub service_id: ServiceId,
    /// Unique in the service.
    #[schema(example = "60 minutes")]
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// How long the treatment takes.
    pub minutes: i32,
    /// What the room takes to be prepared.
    pub before_minutes: i32,
    /// What the room takes afterwards, besides its own turnover.
    pub after_minutes: i32,
    /// Its place in the service.
    pub position: i32,
    /// Whether customers see it.
    pub visible: bool,
    /// Rises with every change.
    pub version: i64,
}

macro_rules! versioned {
    ($($name:ident)*) => {$(
        impl Versioned for $name {
            fn version(&self) -> Option<i64> {
                Some(self.version)
            }
        }
    )*};
}
versioned! { Category Service Variant }

/// A therapist whom customers may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chosen {
    /// What an order names.
    pub id: UserId,
    /// What customers read.
    #[schema(example = "Mai")]
    pub name: String,
    /// What they have learnt.
    pub skills: Vec<String>,
}

/// What the spa offers, each list in its order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// What prices are in.
    pub currency: Currency,
    /// Kinds of services.
    pub categories: Vec<Category>,
    /// Services, each in a category.
    pub services: Vec<Service>,
    /// Variants, each of a service.
    pub variants: Vec<Variant>,
    /// Who is on shift.
    pub therapists: Vec<Chosen>,
}

/// How much of the catalogue.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CatalogueQuery {
    /// With what is hidden, for managers.
    #[serde(default)]
    pub all: bool,
}

/// Get the catalogue
///
/// What customers can choose: services with their variants and prices, and the therapists on shift.
#[utoipa::path(
    operation_id = "getCatalogue", tag = "spa", params(VenuePath, CatalogueQuery),
    responses((status = 200, body = Catalogue), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/catalogue")]
pub(crate) async fn get_catalogue(
    actor: Actor<can::ReadCatalogue>,
    _at: Path<VenuePath>,
    asked: web::Query<CatalogueQuery>,
    app: web::Data<App>,
) -> Result<web::Json<Catalogue>, Rejection> {
    let all = asked.all && actor.standing.may(Permission::ManageSpa);
    let catalogue = app.read(&actor, async |q| find_catalogue(q, all).await).await?;
    Ok(web::Json(catalogue))
}

/// The catalogue of the reader's venue, with what is hidden if `all`.
///
/// # Errors
/// `Absent` where there is no such venue; the database's failures.
pub async fn find_catalogue(q: &mut Reader, all: bool) -> Result<Catalogue, SpaError> {
    let venue = q.venue()?;
    let [houses] = q.pipeline([people::house_query(&[&venue])]).await?;
    let house = people::house(&houses)?.ok_or(SpaError::Absent(Kind::Category))?;
    let mut stock = find_stock(q, house.currency).await?;
    if !all {
        stock.hide();
    }
    let therapists = people::list_therapists(q).await?;
    let on_shift = therapists.into_iter().filter(|it| it.began_at.is_some());
    let chosen =
        |it: crate::model::TherapistRow| Chosen { id: it.id, name: it.name, skills: it.skills };
    Ok(Catalogue {
        currency: house.currency,
        categories: stock.categories,
        services: stock.services,
        variants: stock.variants,
        therapists: on_shift.map(chosen).collect(),
    })
}

impl Stock {
    /// Takes out what is hidden, and what hangs on it.
    fn hide(&mut self) {
        self.categories.retain(|it| it.visible);
        let categories = &self.categories;
        let shown = |it: &Service| categories.iter().any(|category| category.id == it.category_id);
        self.services.retain(|it| it.visible && shown(it));
        let services = &self.services;
        let shown = |it: &Variant| services.iter().any(|service| service.id == it.service_id);
        self.variants.retain(|it| it.visible && shown(it));
    }
}

/// Short words, each once.
pub(crate) fn check_tags(tags: &[String], pointer: &str, most: usize, errors: &mut Errors) {
    let detail = format!("At most {most}; these are {}.", tags.len());
    errors.require(tags.len() <= most, pointer, "length", detail);
    for (n, tag) in tags.iter().enumerate().take(most) {
        errors.text(tag, &format!("{pointer}/{n}"), (1, TAG_MAX_CHARS));
        let twice = tags.iter().take(n).any(|other| other == tag);
        errors.require(!twice, format!("{pointer}/{n}"), "twice", "It stands twice.");
    }
}

/// A picture's address: https, and not too long.
pub(crate) fn check_image(url: &str, pointer: &str, errors: &mut Errors) {
    let whole = url.len() <= 500
        && url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        && !url
            .contains(|c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c));
    let detail = "Give an address that begins with https:// and has at most 500 characters.";
    errors.require(whole, pointer, "image_url", detail);
}

/// Times and price of a variant.
pub(crate) fn check_variant(
    price: Option<Money>,
    [minutes, before, after]: [Option<i32>; 3],
    errors: &mut Errors,
) {
    let good = price.is_none_or(|price| (0..=100_000_000).contains(&price.amount));
    errors.require(good, "/price/amount", "range", "Give 0 to 100000000 minor units.");
    for (pointer, value, min, max) in [
        ("/minutes", minutes, 5, 720),
        ("/beforeMinutes", before, 0, 120),
        ("/afterMinutes", after, 0, 120),
    ] {
        let good = value.is_none_or(|value| (min..=max).contains(&value));
        errors.require(good, pointer, "range", format!("Give {min} to {max} minutes."));
    }
}

/// The version that the client has seen, if it said so, is the present one.
pub(crate) fn stale(
    seen: Option<i64>,
    version: i64,
    current: &impl Serialize,
) -> Result<(), SpaError> {
    if seen.is_none_or(|seen| seen == version) {
        return Ok(());
    }
    Err(SpaError::Stale(Some(to_raw_value(current)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(check: impl FnOnce(&mut Errors)) -> usize {
        let mut errors = Errors::default();
        check(&mut errors);
        errors.iter().count()
    }

    #[test]
    fn pictures_come_by_https_and_have_an_end() {
        let image = |url: &str| wrong(|errors| check_image(url, "/imageUrl", errors));
        assert_eq!(image("https://cdn.example.org/a.jpg"), 0);
        for url in ["http://a.org/x.jpg", "javascript:alert(1)", "https://", "https://a b", "//a"] {
            assert_eq!(image(url), 1, "{url}");
        }
        assert_eq!(image(&format!("https://a.org/{}", "x".repeat(500))), 1);
    }

    #[test]
    fn tags_are_short_and_stand_once() {
        let tags = |tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            wrong(|errors| check_tags(&tags, "/skills", 3, errors))
        };
        assert_eq!(tags(&["thai", "feet"]), 0);
        assert_eq!(tags(&["thai", "thai"]), 1);
        assert_eq!(tags(&["a", "b", "c", "d"]), 1);
        assert_eq!(tags(&[""]), 1);
    }
}
