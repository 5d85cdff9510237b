//! Order services, without an account: the cart is checked again, and the order joins the line.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::ITEMS_PER_ORDER_MAX;
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::event::Topic;
use kernel::ids::{ItemId, OrderId, UserId, VariantId};
use kernel::money::{Currency, Money};
use kernel::role::Standing;
use pg::follow::Opener;
use pg::{Query, ToSql, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::code::{code, day};
use crate::error::Kind;
use crate::model::{ItemRow, Order, OrderRow, OrderStatus, Sum, TherapistRow, covers};
use crate::quote::{LINE_REPLAYED_MAX, Outlook, Quote, Waiter};
use crate::reads::VenuePath;
use crate::settings::SpaRules;
use crate::store::catalogue::{self, Sold};
use crate::store::people::House;
use crate::store::{orders, outlook, people};
use crate::{SpaError, event, secret};

/// How long an order can be followed: a visit, and the day after it.
const FOLLOWED_FOR: SignedDuration = SignedDuration::from_hours(48);

/// A service in the cart, with the price that the customer saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CartItem {
    /// What was chosen.
    pub variant: VariantId,
    /// What it cost when it was chosen.
    pub price: Money,
}

/// What the customer wants.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateOrder {
    /// The cart, in the order of the treatments: 1 to 20.
    #[schema(min_items = 1, max_items = 20)]
    pub items: Vec<CartItem>,
    /// The therapist that the customer asks for.
    #[schema(nullable = false)]
    pub therapist: Option<UserId>,
    /// How the customer wants to be called; the code does as well.
    #[schema(nullable = false, max_length = 60)]
    pub name: Option<String>,
    /// What the therapist should know.
    #[schema(nullable = false, max_length = 500)]
    pub note: Option<String>,
}

impl Input for CreateOrder {
    fn check(&self, errors: &mut Errors) {
        let count = self.items.len();
        let detail =
            format!("An order has 1 to {ITEMS_PER_ORDER_MAX} services; these are {count}.");
        let fits = (1..=ITEMS_PER_ORDER_MAX).contains(&count);
        errors.require(fits, "/items", "item_count", detail);
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 60));
        }
        if let Some(note) = &self.note {
            errors.text(note, "/note", (0, 500));
        }
    }
}

/// What is not as the customer saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChange {
    /// One for each service of the cart that differs.
    pub items: Vec<ChangedItem>,
    /// What the cart costs now, without what is not sold any more.
    pub total: Money,
    /// To accept, send these as `items`.
    pub accept: Vec<CartItem>,
}

/// A service that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedItem {
    /// What was chosen.
    pub variant: VariantId,
    /// What the customer saw.
    pub seen: Money,
    /// What it costs now; absent, it is not sold any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub now: Option<Money>,
}

/// The order, and what opens it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedOrder {
    /// The order with its code.
    pub order: Order,
    /// Opens the order: shown only here. Put it behind the `#` of the page's address, which is sent
    /// to no server, and send it as the header `Order-Token`. It follows `order.{id}` and pays the
    /// bill as well.
    pub token: String,
    /// The wait, as it is promised.
    pub quote: Quote,
}

impl Versioned for PlacedOrder {
    fn version(&self) -> Option<i64> {
        Some(self.order.version)
    }
}

/// Order services
///
/// Without an account. Each service is sent with the price that the customer saw: where it has
/// changed, or is not sold any more, nothing is ordered and 409 gives the difference and what to
/// send to accept it. The answer has the code of the day, and the secret of the link.
#[utoipa::path(
    operation_id = "createOrder", tag = "spa",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = CreateOrder,
    responses((status = 201, body = PlacedOrder), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders")]
pub(crate) async fn post_order(
    actor: Actor<can::OrderServices>,
    once: Once,
    _at: Path<VenuePath>,
    cmd: Body<CreateOrder>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| create_order(tx, &cmd).await.map(Created))
        .await
}

struct Found {
    house: House,
    rules: SpaRules,
    sold: Vec<Sold>,
    requested: Option<TherapistRow>,
    outlook: Outlook,
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn create_order(tx: &mut Tx, cmd: &CreateOrder) -> Result<PlacedOrder, SpaError> {
    let found = find(tx, cmd).await?;
    let now = tx.now();
    let items = check_cart(&cmd.items, &found.sold, found.house.currency, || ItemId::fresh(now))?;
    let sum = Sum::of(&items);
    if let Some(asked) = cmd.therapist {
        let able = |it: &TherapistRow| it.id == asked && covers(&it.skills, &sum.skills);
        if !found.requested.as_ref().is_some_and(able) {
            return Err(SpaError::TherapistUnavailable);
        }
    }
    if found.outlook.waiting >= i64::from(found.rules.line_max) {
        return Err(SpaError::LineFull(found.rules.line_max));
    }
    let quote = quote(found.outlook, cmd, &sum)?;
    let day = day(now, &found.house.time_zone);
    let number = orders::next_number(tx, day).await?;
    let token = secret::fresh()?;
    let order = OrderRow {
        id: OrderId::fresh(now),
        code: code(number),
        day,
        token_hash: secret::hash(&token),
        status: OrderStatus::PendingTherapist,
        name: cmd.name.as_deref().map(|name| name.trim().to_owned()),
        note: cmd.note.clone().filter(|note| !note.trim().is_empty()),
        requested: cmd.therapist,
        line_at: now,
        waiting_since: now,
        sum,
        currency: found.house.currency,
        therapist: None,
        room: None,
        cashier: None,
        lease_until: None,
        unattended: false,
        calls: 0,
        called_at: None,
        created_at: now,
        claimed_at: None,
        started_at: None,
        expected_end_at: None,
        finished_at: None,
        payment_claimed_at: None,
        ended_at: None,
        reason: None,
        promised: quote.promise(now),
        payment_promised_at: None,
        version: 1,
    };
    // Staff order for others.
    let customer = tx.scope().user.filter(|_| tx.standing() == Standing::Customer);
    orders::insert_order(tx, (&order, customer), &items)?;
    tx.let_follow(Topic::Order, order.id.0, Opener::Secret(&token), now + FOLLOWED_FOR)?;
    let told = order.told(&items);
    let public = Order { name: None, note: None, ..told.clone() };
    event::tell(tx, "order_created", "created", &public)?;
    Ok(PlacedOrder { order: told, token, quote })
}

/// House, rules, what the cart names, who was asked for and the line: one packet.
async fn find(tx: &mut Tx, cmd: &CreateOrder) -> Result<Found, SpaError> {
    let (venue, now) = (tx.venue()?, tx.now());
    let mut variants: Vec<Uuid> = cmd.items.iter().map(|item| item.variant.0).collect();
    variants.sort_unstable();
    variants.dedup();
    let asked = cmd.therapist.map_or(Uuid::nil(), |user| user.0);
    let sold: [&(dyn ToSql + Sync); 2] = [&venue, &variants];
    let on_shift: [&(dyn ToSql + Sync); 2] = [&venue, &asked];
    let of: [&(dyn ToSql + Sync); 1] = [&venue];
    let default_max = i64::from(SpaRules::default().line_max);
    let line: [&(dyn ToSql + Sync); 2] = [&venue, &LINE_REPLAYED_MAX];
    let counts: [&(dyn ToSql + Sync); 3] = [&venue, &default_max, &now];
    let [a, b, c, d]: [Query<'_>; 4] = outlook::queries(&of, &line, &counts);
    let [houses, settings, sold, asked, a, b, c, d] = tx
        .pipeline([
            people::house_query(&of),
            people::rules_query(&of),
            catalogue::sold_query(&sold),
            people::on_shift_query(&on_shift),
            a,
            b,
            c,
            d,
        ])
        .await?;
    let rules = people::rules(&settings)?.rules;
    Ok(Found {
        // A venue that is not there sells nothing.
        house: people::house(&houses)?.ok_or(SpaError::Absent(Kind::Variant))?,
        sold: sold.iter().map(catalogue::sold).collect::<Result<_, _>>()?,
        requested: asked.first().map(people::therapist).transpose()?,
        outlook: outlook::outlook([&a, &b, &c, &d], rules.clone(), tx.now())?,
        rules,
    })
}

/// The cart as it is sold now, or what differs.
fn check_cart(
    cart: &[CartItem],
    sold: &[Sold],
    currency: Currency,
    mut id: impl FnMut() -> ItemId,
) -> Result<Vec<ItemRow>, SpaError> {
    let (mut items, mut changed, mut accept) = (Vec::new(), Vec::new(), Vec::new());
    for wanted in cart {
        let found = sold.iter().find(|sold| sold.id == wanted.variant);
        let now = found.map(|sold| Money { amount: sold.price, currency });
        if now != Some(wanted.price) {
            changed.push(ChangedItem { variant: wanted.variant, seen: wanted.price, now });
        }
        accept.extend(now.map(|price| CartItem { price, ..*wanted }));
        items.extend(found.map(|sold| item(id(), sold)));
    }
    if changed.is_empty() {
        return Ok(items);
    }
    let total = Money { amount: accept.iter().map(|item| item.price.amount).sum(), currency };
    Err(SpaError::CartChanged(Box::new(PriceChange { items: changed, total, accept })))
}

/// What is sold, as a line of a bill.
pub(crate) fn item(id: ItemId, sold: &Sold) -> ItemRow {
    ItemRow {
        id,
        variant: sold.id,
        service_name: sold.service.clone(),
        variant_name: sold.variant.clone(),
        skills: sold.skills.clone(),
        needs: sold.needs.clone(),
        price: sold.price,
        before: sold.before,
        minutes: sold.minutes,
        after: sold.after,
    }
}

fn quote(outlook: Outlook, cmd: &CreateOrder, sum: &Sum) -> Result<Quote, SpaError> {
    let waiter = Waiter {
        id: None,
        skills: sum.skills.clone(),
        needs: sum.needs.clone(),
        requested: cmd.therapist,
        before: sum.before,
        minutes: sum.minutes,
        after: sum.after,
    };
    outlook.quotes(Some(&waiter)).1.ok_or(SpaError::Absent(Kind::Variant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro(amount: i64) -> Money {
        Money { amount, currency: "EUR".parse().unwrap() }
    }

    fn sold(n: u128, price: i64) -> Sold {
        Sold {
            id: VariantId(Uuid::from_u128(n)),
            service: "Thai massage".into(),
            variant: "60 minutes".into(),
            skills: Vec::new(),
            needs: Vec::new(),
            price,
            minutes: 60,
            before: 0,
            after: 0,
        }
    }

    fn cart(n: u128, price: i64) -> CartItem {
        CartItem { variant: VariantId(Uuid::from_u128(n)), price: euro(price) }
    }

    fn check(cart: &[CartItem], sold: &[Sold]) -> Result<Vec<ItemRow>, SpaError> {
        check_cart(cart, sold, "EUR".parse().unwrap(), || ItemId(Uuid::nil()))
    }

    #[test]
    fn a_cart_as_it_was_seen_is_ordered_and_may_have_the_same_twice() {
        let items = check(&[cart(1, 5000), cart(1, 5000)], &[sold(1, 5000)]).unwrap();
        assert_eq!(Sum::of(&items).total, 10_000);
    }

    #[test]
    fn what_differs_is_told_with_what_to_send() {
        let seen = [cart(1, 5000), cart(2, 900), cart(3, 100)];
        let Err(SpaError::CartChanged(change)) = check(&seen, &[sold(1, 5500), sold(3, 100)])
        else {
            panic!("it was ordered");
        };
        let now: Vec<_> = change.items.iter().map(|item| item.now).collect();
        assert_eq!(now, [Some(euro(5500)), None]);
        assert_eq!(change.accept, [cart(1, 5500), cart(3, 100)]);
        assert_eq!(change.total, euro(5600));
    }
}
