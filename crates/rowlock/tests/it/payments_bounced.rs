//! Money that had gone back by card and that the customer's bank sends back days later.

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use testkit::{PATIENCE, Socket, wait_until};

use crate::payments_returns::Desk;
use crate::sale::text;
use crate::till::{Bill, GONE, euro};

/// The provider's words for it.
const WHY: &str = "the refund failed: lost_or_stolen_card";
/// Notices of one bounce, at the same moment, at all workers.
const NOTICES: usize = 12;

impl Desk {
    /// A bill paid by card, of which 20 euros have gone back, and the refund.
    async fn given_back(&self) -> Result<(Bill, String, String)> {
        self.bank.says("succeeded");
        let (bill, payment) = self.paid().await?;
        let refund = self.give_back(&payment).await?;
        self.becomes(&refund, "succeeded").await?;
        Ok((bill, payment, refund))
    }

    async fn becomes(&self, refund: &str, status: &str) -> Result<()> {
        wait_until(&format!("the refund is {status}"), PATIENCE, async || {
            Ok((self.refund(refund).await?["status"] == status).then_some(()))
        })
        .await
    }

    fn object(&self, refund: &str, status: &str) -> Value {
        json!({"id": "re_1", "status": status, "failure_reason": "lost_or_stolen_card",
            "metadata": {"venue": self.till.house.venue(), "refund": refund}})
    }

    /// Tells of the bounce many times at once, under new names and old ones.
    async fn rush(&self, refund: &str) -> Result<()> {
        let failed = self.object(refund, "failed");
        let told = (0..NOTICES).map(|n| {
            let (id, failed) = (format!("evt_{refund}_{}", n / 2), &failed);
            async move { self.tell(n, &id, "refund.failed", failed).await }
        });
        try_join_all(told).await.map(drop)
    }

    async fn bounces(&self) -> Result<i64> {
        self.sql.value("select count(*) from payments.refund_bounce", &[]).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bank_sends_back_is_owed_once_however_it_is_told() -> Result<()> {
    let desk = Desk::open().await?;
    let (till, owner) = (&desk.till, desk.till.house.owner());
    let mut socket = Socket::open(&desk.bed.worker(1)?.address(), till.cashier.token()).await?;
    socket.listen(till.house.venue(), &["queue.cashier"], None).await?;
    let (bill, payment, refund) = desk.given_back().await?;
    assert_eq!(bill.seen(&till.cashier).await?["refunded"], euro(2_000));

    desk.rush(&refund).await?;
    // What is older comes later, and changes nothing.
    for (n, status) in ["succeeded", "pending"].into_iter().enumerate() {
        let object = desk.object(&refund, status);
        desk.tell(n, &format!("evt_{status}"), "refund.updated", &object).await?;
    }
    let seen = desk.refund(&refund).await?;
    assert_eq!((&seen["status"], &seen["failure"]), (&json!("failed"), &json!(WHY)));
    assert_eq!((&seen["receipt"], desk.bounces().await?), (&json!(3), 1));
    let owing = bill.seen(&till.cashier).await?;
    assert_eq!((&owing["refunded"], &owing["owed"]), (&euro(0), &euro(2_000)));
    assert_eq!((&owing["paid"], &owing["status"]), (&euro(9_500), &json!("settled")));
    let path = till.house.path(&format!("/refunds/{refund}/receipt"));
    let receipt = till.cashier.get(&path).await?.expect(200)?;
    assert_eq!((&receipt["kind"], &receipt["reason"]), (&json!("bounce"), &json!(WHY)));
    let printed = till.cashier.get(&path).header("Accept", "text/plain").await?;
    assert!(printed.text.contains("Refund bounced, receipt 3"), "{}", printed.text);
    let day = till.cashier.get(till.house.path("/payments/report")).await?.expect(200)?;
    assert_eq!((&day["bounced"][0]["sum"], &day["net"]), (&euro(2_000), &euro(9_500)));
    let failed = till.house.path("/refunds?status=failed");
    let listed = till.cashier.get(failed).await?.expect(200)?;
    assert_eq!(listed["items"][0]["id"], json!(refund), "it can be found");

    let told = |s: &Socket| s.events().iter().any(|event| event["type"] == "refund_bounced");
    socket.hear_until("the bounce", PATIENCE, told).await?;
    let log = owner.get(till.house.path("/audit?action=refund_bounced")).await?.expect(200)?;
    assert_eq!(log["items"].as_array().map(Vec::len), Some(1), "{log}");
    till.audited().await?;

    // And it can be tried again.
    let again = desk.give_back(&payment).await?;
    desk.becomes(&again, "succeeded").await?;
    let seen = bill.seen(&till.cashier).await?;
    assert_eq!((&seen["refunded"], &seen["owed"]), (&euro(2_000), &euro(0)));
    let of = |kind: &str| socket.events().iter().filter(|event| event["type"] == kind).count();
    assert_eq!((of("refund_bounced"), of("refund_failed")), (1, 0));
    till.audited().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_that_bounces_stays_one_and_can_be_sent_again() -> Result<()> {
    let desk = Desk::open().await?;
    let till = &desk.till;
    desk.bank.says("succeeded");
    let (bill, payment) = desk.paid().await?;
    let path = |step: &str| till.house.path(&format!("/payments/{payment}/{step}"));
    let why = json!({"reason": "Rung up on the wrong order"});
    let void = async || {
        let void = till.cashier.post(path("void"), why.clone()).await?.expect(201)?;
        let id = text(&void, "/id")?;
        desk.becomes(&id, "succeeded").await?;
        anyhow::Ok(id)
    };
    let first = void().await?;
    let open = bill.seen(&till.cashier).await?;
    assert_eq!((&open["status"], &open["paid"]), (&json!("open"), &euro(0)));
    bill.cash(&till.cashier, None, 9_500).await?.expect(201)?;

    desk.tell(0, "evt_over", "refund.failed", &desk.object(&first, "failed")).await?;
    let seen = bill.seen(&till.cashier).await?;
    assert_eq!((&seen["status"], &seen["paid"]), (&json!("settled"), &euro(9_500)), "as it was");
    assert_eq!((&seen["owed"], &seen["refunded"]), (&euro(9_500), &euro(0)));
    till.audited().await?;
    let refund = till.cashier.post(path("refund"), why.clone()).await?;
    refund.refused(409, "payments.voided")?;
    void().await?;
    let seen = bill.seen(&till.cashier).await?;
    assert_eq!((&seen["status"], &seen["paid"]), (&json!("settled"), &euro(9_500)));
    assert_eq!(seen["owed"], euro(0));
    let reopened = "select count(*) from log.audit where action = 'test_reopened'";
    assert_eq!(desk.sql.value::<i64>(reopened, &[]).await?, 1, "the bill was reopened once");
    till.audited().await
}

/// Nobody asked for that refund: what was paid for was gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_back_by_itself_and_bounces_is_owed_by_a_closed_bill() -> Result<()> {
    let desk = Desk::open().await?;
    let (till, cashier) = (&desk.till, &desk.till.cashier);
    desk.bank.says("succeeded");
    let bill = till.odd_bill(&desk.sql, GONE, 9_500).await?;
    let ask = cashier.post(bill.path("/payments"), json!({"method": "card"}));
    let payment = text(&ask.settled().await?.expect(201)?, "/payment/id")?;
    desk.tell(0, "evt_paid", "payment_intent.succeeded", &desk.charge(&payment)).await?;
    let refunds = till.house.path(&format!("/refunds?payment={payment}"));
    let listed = cashier.get(refunds).await?.expect(200)?;
    let refund = text(&listed, "/items/0/id")?;
    desk.becomes(&refund, "succeeded").await?;
    assert_eq!(bill.seen(cashier).await?["owed"], euro(0));

    desk.rush(&refund).await?;
    let seen = bill.seen(cashier).await?;
    assert_eq!((&seen["status"], &seen["owed"]), (&json!("closed"), &euro(9_500)));
    till.audited().await?;
    let path = till.house.path(&format!("/payments/{payment}/refund"));
    let again = json!({"reason": "Your bank had sent it back"});
    let again = cashier.post(path, again).await?.expect(201)?;
    desk.becomes(&text(&again, "/id")?, "succeeded").await?;
    let seen = bill.seen(cashier).await?;
    assert_eq!((&seen["owed"], &seen["refunded"]), (&euro(0), &euro(9_500)));
    till.audited().await
}

/// The control: without the row lock, and the keys behind it, a bank sends it back more than once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_a_refund_bounces_more_than_once() -> Result<()> {
    let desk = Desk::without("row_locks").await?;
    let walls = "alter table payments.receipt drop constraint receipt_of_bounce,
            drop constraint receipt_venue_id_bounce_id_fkey;
        alter table payments.refund_bounce drop constraint refund_bounce_pkey";
    desk.sql.run(walls).await.context("the walls are called otherwise")?;
    // One rush may be lucky.
    for round in 1..=10 {
        let (.., refund) = desk.given_back().await?;
        desk.rush(&refund).await?;
        if desk.bounces().await? > round {
            return Ok(());
        }
    }
    anyhow::bail!("nothing bounced twice, so the other test proves nothing")
}
