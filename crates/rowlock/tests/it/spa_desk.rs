//! The cashiers' desk: what becomes of an order when money moves, and when the day ends.

use anyhow::{Context as _, Result, ensure};
use edge::Created;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kernel::clock::Clock;
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::{Db, DbConfig, Outcome, WriteTask};
use serde_json::json;
use spa::SpaError;
use spa::create_order::{CreateOrder, create_order};
use testkit::Bed;

use crate::sale::text;
use crate::spa_house::{Spa, euro};

#[tokio::test]
async fn a_payment_that_is_voided_brings_the_customer_back_to_the_desk() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let mai = spa.therapist("Mai").await?;
    let order = spa.treated(&bed, &mai).await?;
    let owner = spa.house.owner();
    let next = || owner.post(spa.path("/queue/cashier/next"), json!({}));
    next().await?.expect(200)?;
    let part = json!({"method": "cash", "amount": euro(2000), "tendered": euro(2000)});
    let path = spa.path(&format!("/orders/{}/payments", order.id));
    owner.post(&path, part).await?.expect(201)?;
    assert_eq!(spa.look(&order.id).await?["status"], "awaiting_payment", "a part is not all");
    let paid = spa.pay(owner, &order.id, 3000).await?.expect(201)?;
    assert_eq!(spa.look(&order.id).await?["status"], "paid");
    let void = spa.path(&format!("/payments/{}/void", text(&paid, "/payment/id")?));
    owner.post(void, json!({"reason": "the wrong customer"})).await?.expect(201)?;
    assert_eq!(spa.look(&order.id).await?["status"], "finished");
    let again = next().await?.expect(200)?;
    assert_eq!(again["order"]["id"], json!(order.id));
    spa.pay(owner, &order.id, 3000).await?.expect(201)?;
    spa.check_invariants().await
}

#[tokio::test]
async fn a_manager_cancels_what_is_not_paid_and_what_was_paid_goes_back() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let mai = spa.therapist("Mai").await?;
    let order = spa.treated(&bed, &mai).await?;
    let owner = spa.house.owner();
    owner.post(spa.path("/queue/cashier/next"), json!({})).await?.expect(200)?;
    let part = json!({"method": "cash", "amount": euro(2000), "tendered": euro(2000)});
    let path = spa.path(&format!("/orders/{}/payments", order.id));
    owner.post(&path, part).await?.expect(201)?;
    let cancel = |who: &testkit::Client| {
        let path = spa.path(&format!("/orders/{}/cancel", order.id));
        who.post(path, json!({"reason": "complained"}))
    };
    cancel(&mai).await?.refused(403, "spa.not_yours")?;
    let by_customer = cancel(&bed.anyone()).header("Order-Token", &order.token);
    by_customer.await?.refused(409, "spa.no_way")?;
    let cancelled = cancel(owner).await?.expect(200)?;
    assert_eq!(cancelled["status"], "cancelled");
    spa.pay(owner, &order.id, 3000).await?.expect(409)?;
    spa.check_invariants().await
}

#[tokio::test]
async fn what_costs_nothing_waits_for_no_cashier() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let mai = spa.therapist("Mai").await?;
    let path = spa.path(&format!("/catalogue/variants/{}", spa.variant));
    spa.house.owner().patch(path, json!({"price": euro(0)})).await?.expect(200)?;
    let gift = json!({"items": [{"variant": spa.variant, "price": euro(0)}]});
    let order = spa.order_as(&bed, gift).await?;
    spa.claim(&mai).await?;
    spa.step(&mai, &order.id, "start").await?.expect(200)?;
    let done = spa.step(&mai, &order.id, "finish").await?.expect(200)?;
    assert_eq!(done["status"], "paid");
    spa.check_invariants().await
}

/// The slice itself, with a clock that a test moves.
struct Night {
    db: Db,
    clock: Clock,
    venue: VenueId,
    cart: CreateOrder,
}

impl Night {
    /// An hour before the venue's midnight.
    fn of(bed: &Bed, spa: &Spa) -> Result<Self> {
        let now = Timestamp::now();
        let tomorrow = now.to_zoned(TimeZone::get("Europe/Lisbon")?).date().tomorrow()?;
        let midnight = tomorrow.to_zoned(TimeZone::get("Europe/Lisbon")?)?.timestamp();
        let ahead = midnight.duration_since(now) - SignedDuration::from_hours(1);
        let clock = Clock::with_offset(ahead);
        let config = DbConfig {
            url: bed.database().url().to_owned(),
            ca_pem: None,
            pool_size: 2,
            session_options: true,
            standing_sql: None,
        };
        let db = Db::new(&config, clock.clone()).map_err(anyhow::Error::msg)?;
        let cart = serde_json::from_value(spa.cart())?;
        Ok(Self { db, clock, venue: spa.house.venue().parse()?, cart })
    }

    /// The code and the day of one more order.
    async fn order(&self) -> Result<(String, Date)> {
        let task = WriteTask::job("create_order", Scope::venue(self.venue, None));
        let write = async |tx: &mut pg::Tx| create_order(tx, &self.cart).await.map(Created);
        match self.db.write::<_, SpaError, _>(&task, write).await? {
            Outcome::Done { value, .. } => Ok((value.0.order.code, value.0.order.day)),
            Outcome::Replayed(_) => anyhow::bail!("it was there before"),
        }
    }
}

#[tokio::test]
async fn codes_begin_anew_at_the_venues_own_midnight() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let night = Night::of(&bed, &spa)?;
    let (first, today) = night.order().await?;
    let (second, still) = night.order().await?;
    assert_eq!((first.as_str(), second.as_str()), ("A-001", "A-002"));
    night.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(night.order().await?, ("A-003".to_owned(), today), "a minute before midnight");
    night.clock.advance(SignedDuration::from_mins(2));
    let (after, tomorrow) = night.order().await?;
    assert_eq!((after.as_str(), tomorrow), ("A-001", today.tomorrow()?));
    ensure!(still == today, "the same evening");
    let sql = bed.sql().await?;
    let twice = "update spa.order set day = (select min(day) from spa.order)";
    let refused = sql.run(twice).await.err().context("a code stood twice in one day")?;
    assert!(format!("{refused:?}").contains("order_code_key"), "{refused:?}");
    Ok(())
}
