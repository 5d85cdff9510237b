//! Paths, the order's secret, and the order as its customer or the staff reads it.

use actix_web::dev::Payload;
use actix_web::http::header::ETAG;
use actix_web::{FromRequest, HttpRequest, HttpResponse, get, web};
use edge::late::{Late, late};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use kernel::ids::{CategoryId, ItemId, OrderId, RoomId, ServiceId, UserId, VariantId, VenueId};
use kernel::role::Permission;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::Kind;
use crate::model::{ItemRow, Order, OrderRow, OrderStatus};
use crate::quote::Quote;
use crate::store::{lines, orders, outlook, people};
use crate::{SpaError, secret};

/// The header that carries an order's secret.
const ORDER_TOKEN: &str = "Order-Token";
/// So many before an order are told apart.
const AHEAD_TOLD_MAX: i64 = 1000;

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $id:ty, $about:literal })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub struct $name {
            /// The venue.
            pub venue: VenueId,
            #[doc = $about]
            pub $field: $id,
        }
    )*};
}

paths! {
    /// `/venues/{venue}/catalogue/categories/{category}`.
    CategoryPath { category: CategoryId, "The category." }
    /// `/venues/{venue}/catalogue/services/{service}`.
    ServicePath { service: ServiceId, "The service." }
    /// `/venues/{venue}/catalogue/variants/{variant}`.
    VariantPath { variant: VariantId, "The variant." }
    /// `/venues/{venue}/rooms/{room}`.
    RoomPath { room: RoomId, "The room." }
    /// `/venues/{venue}/therapists/{therapist}`.
    TherapistPath { therapist: UserId, "The therapist: a member's user id." }
    /// `/venues/{venue}/orders/{order}`.
    OrderPath { order: OrderId, "The order." }
}

/// `/venues/{venue}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct VenuePath {
    /// The venue.
    pub venue: VenueId,
}

/// `/venues/{venue}/orders/{order}/items/{item}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ItemPath {
    /// The venue.
    pub venue: VenueId,
    /// The order.
    pub order: OrderId,
    /// The service on its bill.
    pub item: ItemId,
}

/// The order's secret, in a header: paths and queries end in logs. Staff need none.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("Order-Token"), parameter_in = Header)]
pub struct OrderToken(
    /// The `token` that came with the order.
    pub Option<String>,
);

impl FromRequest for OrderToken {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = request.headers().get(ORDER_TOKEN).and_then(|value| value.to_str().ok());
        late(request, Ok(Self(token.map(str::to_owned))))
    }
}

impl OrderToken {
    /// Whether it is this order's.
    pub(crate) fn opens(&self, order: &OrderRow) -> bool {
        self.0.as_deref().is_some_and(|token| secret::matches(token, &order.token_hash))
    }
}

/// Where an order stands in its line, and how long it will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Orders before it; at most 1000 are told apart.
    pub ahead: i64,
    /// The wait as of now, for those who wait for a therapist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quote: Option<Quote>,
    /// How long a cashier takes to be free, in minutes, for those who wait to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_minutes: Option<i64>,
}

/// An order as its customer follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowedOrder {
    /// The order: its status is the step, its times those that were taken.
    pub order: Order,
    /// Its place, while it stands in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub place: Option<Place>,
}

/// Get an order
///
/// For whoever has its secret, as the header `Order-Token`, and for staff. With its place in the
/// line and the wait as of now.
#[utoipa::path(
    operation_id = "getOrder", tag = "spa", params(OrderPath, OrderToken),
    responses((status = 200, body = FollowedOrder), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/orders/{order}")]
pub(crate) async fn get_order(
    actor: Actor<can::OrderServices>,
    at: Path<OrderPath>,
    token: OrderToken,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let now = kernel::time::micros(app.clock().now());
    let followed = app
        .read(&actor, async |q| {
            let found = orders::find_order(q, at.order).await?;
            let (order, items) = found.ok_or(SpaError::Absent(Kind::Order))?;
            let names = token.opens(&order) || actor.standing.may(Permission::HandleOrders);
            if !names && !actor.standing.may(Permission::ReadQueues) {
                return Err(SpaError::Absent(Kind::Order));
            }
            let place = place(q, &order, now).await?;
            Ok(FollowedOrder { order: told(&order, &items, names), place })
        })
        .await?;
    let tag = format!("\"{}\"", followed.order.version);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(followed))
}

fn told(order: &OrderRow, items: &[ItemRow], names: bool) -> Order {
    let told = order.told(items);
    if names { told } else { Order { name: None, note: None, ..told } }
}

async fn place(
    q: &mut pg::Reader,
    order: &OrderRow,
    now: jiff::Timestamp,
) -> Result<Option<Place>, SpaError> {
    let waits = order.status == OrderStatus::PendingTherapist;
    if !waits && order.status != OrderStatus::Finished {
        return Ok(None);
    }
    let (line, to_pay) = lines::count_ahead(q, order.id, AHEAD_TOLD_MAX).await?;
    let rules = people::find_settings(q).await?.rules;
    let outlook = outlook::find_outlook(q, rules, now).await?;
    if !waits {
        let each = i64::from(outlook.rules.payment_minutes);
        let minutes = to_pay * each / outlook.cashiers.max(1);
        return Ok(Some(Place { ahead: to_pay, quote: None, payment_minutes: Some(minutes) }));
    }
    let quotes = outlook.quotes(None).0;
    let quote = quotes.into_iter().find(|(id, _)| *id == order.id).map(|(_, quote)| quote);
    Ok(Some(Place { ahead: line, quote, payment_minutes: None }))
}
