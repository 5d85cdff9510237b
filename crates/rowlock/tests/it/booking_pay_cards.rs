//! Cards that pay for bookings: in time, late, and for seats that are gone.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{PATIENCE, wait_until};

use crate::booking_best::rows;
use crate::booking_pay::{Made, PRICE, audited, book, paid};
use crate::booking_pay_late::{close_late, end_in};
use crate::payments_cards::Cards;
use crate::sale::Sale;
use crate::till::euro;

const GOOD: &str = "4242424242424242";

async fn begin(cards: &Cards, made: &Made) -> Result<Value> {
    let ask = cards.bed.anyone().post(format!("{}/payments", made.bill), json!({"method": "card"}));
    ask.header("Bill-Token", &made.token).settled().await?.expect(201)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_confirms_the_booking_when_the_money_is_there() -> Result<()> {
    let cards = Cards::start(1).await?;
    let sale = Sale::of(cards.till.house.clone(), rows(1, 4)).await?;
    let ana = cards.bed.person().await?;
    paid(&sale).await?;
    let made = book(&sale, &ana, &["R1-1", "R1-2"]).await?;
    let taken = begin(&cards, &made).await?;
    assert_eq!(taken["bill"]["pending"], euro(2 * PRICE));
    assert_eq!(made.seen(&ana).await?["status"], "pending", "a promise is no money");
    cards.confirm(&taken, GOOD).await?;
    cards.hurry().await?;
    made.becomes(&ana, "confirmed").await?;

    // And back to the card, when it is cancelled.
    ana.post(format!("{}/cancel", made.path), json!({})).await?.expect(200)?;
    cards.becomes(&taken, "refunded").await?;
    wait_until("the card has its money back", PATIENCE, async || {
        let found = sale.house.owner().get(sale.house.path("/refunds")).await?.expect(200)?;
        Ok((found["items"][0]["status"] == "succeeded").then_some(()))
    })
    .await?;
    audited(&sale.house).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_is_late_gets_seats_or_its_money_back() -> Result<()> {
    let cards = Cards::start(1).await?;
    let sale = Sale::of(cards.till.house.clone(), rows(1, 4)).await?;
    let (clerk, anyone) = (sale.house.member("box_office").await?, cards.bed.anyone());
    paid(&sale).await?;
    let same = book(&sale, &clerk, &["R1-1"]).await?;
    let equal = book(&sale, &clerk, &["R1-2"]).await?;
    let none = book(&sale, &clerk, &["R1-3"]).await?;
    let mut taken = Vec::new();
    for made in [&same, &equal, &none] {
        taken.push(begin(&cards, made).await?);
    }
    end_in(&cards.sql, 0).await?;
    for made in [&same, &equal, &none] {
        made.becomes(&clerk, "expired").await?;
    }
    // The bills wait for the cards, however late it gets.
    close_late(&cards.sql).await?;
    wait_until("the sweep has come by", PATIENCE, async || {
        let left = "select count(*) from booking.booking where sweep_at > now()";
        Ok((cards.sql.value::<i64>(left, &[]).await? == 3).then_some(()))
    })
    .await?;
    for made in [&same, &equal, &none] {
        assert_eq!(made.bill(&anyone).await?["status"], "open");
    }
    sale.hold(&clerk, &["R1-2", "R1-3"]).await?.expect(201)?;
    for (made, taken, status) in [
        (&same, &taken[0], "succeeded"),
        (&equal, &taken[1], "succeeded"),
        (&none, &taken[2], "refunded"),
    ] {
        cards.confirm(taken, GOOD).await?;
        cards.hurry().await?;
        cards.becomes(taken, status).await?;
        let told = made.seen(&clerk).await?;
        let wanted = if status == "succeeded" { "confirmed" } else { "expired" };
        assert_eq!(told["status"], wanted);
    }
    assert_eq!(same.seen(&clerk).await?["seats"], json!(["R1-1"]));
    assert_eq!(equal.seen(&clerk).await?["seats"], json!(["R1-4"]));
    let bill = none.bill(&anyone).await?;
    assert_eq!((&bill["status"], &bill["refunded"]), (&json!("closed"), &euro(PRICE)));
    audited(&sale.house).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_fails_late_leaves_no_bill_open() -> Result<()> {
    let cards = Cards::start(1).await?;
    let sale = Sale::of(cards.till.house.clone(), rows(1, 2)).await?;
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    let made = book(&sale, &clerk, &["R1-1"]).await?;
    let taken = begin(&cards, &made).await?;
    end_in(&cards.sql, 0).await?;
    made.becomes(&clerk, "expired").await?;
    close_late(&cards.sql).await?;
    // Nobody has typed a card for half an hour.
    let old =
        "update payments.errand set created_at = now() - interval '31 minutes', next_at = now()";
    cards.sql.run(old).await?;
    cards.becomes(&taken, "failed").await?;
    cards.sql.run("update booking.booking set sweep_at = now()").await?;
    wait_until("the bill is closed", PATIENCE, async || {
        let bill = made.bill(&cards.bed.anyone()).await?;
        Ok((bill["status"] == "closed").then_some(()))
    })
    .await?;
    audited(&sale.house).await
}
