//! Somebody who is known in a spa, as a customer and as a therapist, and at its till.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Bed, House, Person};

use crate::sale::text;
use crate::spa_house::{Spa, euro};

/// A therapist with a customer.
pub(crate) async fn serves(
    bed: &Bed,
    works: &House,
    (name, therapist): (&str, &Person),
) -> Result<()> {
    let id = text(therapist.user(), "/id")?;
    let spa = Spa::within(works.clone(), 1).await?;
    let save = json!({"name": format!("{name} the kind"), "skills": ["thai"]});
    works.owner().put(works.path(&format!("/therapists/{id}")), save).await?.expect(200)?;
    spa.shift(therapist, "begin").await?.expect(200)?;
    spa.treated(bed, therapist).await?;
    spa.shift(therapist, "end").await?.expect(200).map(drop)
}

/// A customer whom staff write about.
pub(crate) async fn visits(visits: &House, (name, person): (&str, &Person)) -> Result<()> {
    let spa = Spa::within(visits.clone(), 1).await?;
    let (mai, desk) = (spa.therapist("Mai").await?, visits.owner());
    let mut cart = spa.cart();
    cart["name"] = json!(name);
    cart["note"] = json!(format!("{name} has a sore shoulder"));
    let placed = person.post(visits.path("/orders"), cart).await?.expect(201)?;
    let order = text(&placed, "/order/id")?;
    ensure!(spa.claim(&mai).await? == order, "somebody else came first");
    for step in ["start", "finish"] {
        spa.step(&mai, &order, step).await?.expect(200)?;
    }
    desk.post(visits.path("/queue/cashier/next"), json!({})).await?.expect(200)?;
    let less = json!({"amount": euro(500), "reason": format!("{name} is a friend")});
    desk.post(visits.path(&format!("/bills/order/{order}/discounts")), less).await?.expect(200)?;
    let paid = spa.pay(desk, &order, 4_500).await?.expect(201)?;
    let refund = visits.path(&format!("/payments/{}/refund", text(&paid, "/payment/id")?));
    let back = json!({"amount": euro(1_000), "reason": format!("{name} was cold")});
    desk.post(refund, back).await?.expect(201)?;
    Ok(())
}

/// Every promise of the house holds, also those about its money, and the chain of its audit log.
pub(crate) async fn still_right(house: &House) -> Result<()> {
    let owner = house.owner();
    let told = owner.get(house.path("/audit/invariants")).await?.expect(200)?;
    ensure!(told["holds"] == true, "broken: {told}");
    let payments = owner.get(house.path("/payments")).await?.expect(200)?;
    for payment in payments["items"].as_array().into_iter().flatten() {
        let path = house.path(&format!("/payments/{}/receipt", text(payment, "/id")?));
        let receipt = owner.get(path).await?.expect(200)?;
        ensure!(receipt["number"].is_i64() && receipt["amount"] == payment["amount"]);
    }
    Ok(())
}
