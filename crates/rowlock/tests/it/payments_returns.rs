//! Money that goes back by card, and notices in every order: a bank that takes its time, and one that
//! refuses after days. Stripe is a stand-in here, because nothing else lets a test say when.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket, Sql, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::payments_cards::{WEBHOOK_SECRET, signed};
use crate::sale::text;
use crate::till::{Bill, Till, euro};

pub(crate) const WORKERS: usize = 2;
/// More than any request of a worker.
const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// What the stand-in says of every refund, and how often it was asked to make one.
#[derive(Clone, Default)]
pub(crate) struct Bank(Arc<Mutex<(String, usize)>>);

impl Bank {
    pub(crate) fn says(&self, status: &str) {
        if let Ok(mut bank) = self.0.lock() {
            status.clone_into(&mut bank.0);
        }
    }

    fn asked(&self) -> usize {
        self.0.lock().map_or(0, |bank| bank.1)
    }

    /// Answers as Stripe would, a connection a request. Gives where.
    async fn open(&self) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let bank = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let bank = bank.clone();
                tokio::spawn(async move { bank.answer(stream).await.ok() });
            }
        });
        Ok(url)
    }

    async fn answer(&self, mut stream: TcpStream) -> Result<()> {
        let mut bytes = Vec::new();
        let (head, form) = loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await?;
            anyhow::ensure!(read > 0 && bytes.len() < REQUEST_MAX_BYTES, "no request");
            bytes.extend_from_slice(&chunk[..read]);
            let all = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, form)) = all.split_once("\r\n\r\n") else { continue };
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|it| it.lines().next());
            if form.len() >= length.map_or(Ok(0), str::parse)? {
                break (head, form.to_owned());
            }
        };
        let field = |name: &str| {
            let mut fields = form.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(key, _)| *key == name).map_or("0", |(_, value)| value).to_owned()
        };
        let body = if head.contains(" /v1/refunds") {
            let mut bank = self.0.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
            bank.1 += usize::from(head.starts_with("post"));
            json!({"id": "re_1", "status": bank.0, "failure_reason": "expired_or_canceled_card"})
        } else {
            let amount: i64 = field("amount").parse()?;
            json!({"id": "pi_1", "amount": amount, "status": "requires_payment_method",
                "client_secret": "pi_1_secret"})
        };
        let body = body.to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
        Ok(())
    }
}

pub(crate) struct Desk {
    pub(crate) bed: Bed,
    pub(crate) till: Till,
    pub(crate) sql: Sql,
    pub(crate) bank: Bank,
}

impl Desk {
    pub(crate) async fn open() -> Result<Self> {
        Self::without("").await
    }

    /// With a promise of the product taken out.
    pub(crate) async fn without(promise: &str) -> Result<Self> {
        let bank = Bank::default();
        let bed = Bed::with()
            .workers(WORKERS)
            .env("ROWLOCK_CONTROLS", promise)
            .env("STRIPE_URL", &bank.open().await?)
            .env("STRIPE_SECRET_KEY", "sk_test_of_nobody")
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .start()
            .await?;
        let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
        Ok(Self { bed, till, sql, bank })
    }

    pub(crate) async fn tell(
        &self,
        worker: usize,
        id: &str,
        kind: &str,
        object: &Value,
    ) -> Result<()> {
        let body = json!({"id": id, "type": kind, "data": {"object": object}}).to_string();
        let now = self.sql.value::<f64>("select extract(epoch from now())::float8", &[]).await?;
        let signature = signed(WEBHOOK_SECRET, format!("{now:.0}").parse()?, &body);
        let path = "/api/v1/payments/webhooks/stripe";
        let ask = self.bed.anyone().at(worker % WORKERS).post(path, json!({}));
        let ask = ask.raw(body).header("Stripe-Signature", &signature);
        ask.settled().await?.expect(200).map(drop)
    }

    async fn begin(&self) -> Result<(Bill, String)> {
        let bill = self.till.bill(&self.sql, &[("Massage", 9_500)]).await?;
        let ask = self.till.cashier.post(bill.path("/payments"), json!({"method": "card"}));
        Ok((bill, text(&ask.settled().await?.expect(201)?, "/payment/id")?))
    }

    pub(crate) fn charge(&self, payment: &str) -> Value {
        json!({"id": "pi_1", "amount": 9_500, "amount_received": 9_500, "status": "succeeded",
            "metadata": {"venue": self.till.house.venue(), "payment": payment}})
    }

    /// A bill that a card has paid.
    pub(crate) async fn paid(&self) -> Result<(Bill, String)> {
        let (bill, payment) = self.begin().await?;
        let id = format!("evt_{payment}");
        self.tell(0, &id, "payment_intent.succeeded", &self.charge(&payment)).await?;
        Ok((bill, payment))
    }

    pub(crate) async fn give_back(&self, payment: &str) -> Result<String> {
        let path = self.till.house.path(&format!("/payments/{payment}/refund"));
        let back = json!({"amount": euro(2_000), "reason": "The sauna was cold"});
        let refund = self.till.cashier.post(path, back).await?.expect(201)?;
        assert_eq!((&refund["status"], &refund["receipt"]), (&json!("pending"), &Value::Null));
        text(&refund, "/id")
    }

    pub(crate) async fn refund(&self, id: &str) -> Result<Value> {
        self.till.cashier.get(self.till.house.path(&format!("/refunds/{id}"))).await?.expect(200)
    }

    /// The provider has taken it on.
    async fn under_way(&self) -> Result<()> {
        let named = "select count(*) from payments.errand where refund_reference = 're_1'";
        wait_until("the provider has it", PATIENCE, async || {
            Ok((self.sql.value::<i64>(named, &[]).await? == 1).then_some(()))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_is_done_when_the_bank_has_it_however_that_is_told() -> Result<()> {
    let desk = Desk::open().await?;
    desk.bank.says("pending");
    let (bill, payment) = desk.paid().await?;
    let mut socket =
        Socket::open(&desk.bed.worker(1)?.address(), desk.till.cashier.token()).await?;
    socket.listen(desk.till.house.venue(), &["queue.cashier"], None).await?;
    let refund = desk.give_back(&payment).await?;
    desk.under_way().await?;
    assert_eq!(desk.refund(&refund).await?["status"], "pending", "pending is not done");
    // Banks take days: looks do not ask for it twice, and no promise is broken by waiting.
    let later =
        "update payments.errand set next_at = now(), created_at = now() - interval '3 days'";
    desk.sql.run(later).await?;
    wait_until("it was looked at", PATIENCE, async || {
        let again = "select count(*) from payments.errand where next_at > now()";
        Ok((desk.sql.value::<i64>(again, &[]).await? == 1).then_some(()))
    })
    .await?;
    assert_eq!((desk.bank.asked(), &desk.refund(&refund).await?["status"]), (1, &json!("pending")));
    desk.till.audited().await?;

    let object = |status: &str| {
        json!({"id": "re_1", "status": status,
            "metadata": {"venue": desk.till.house.venue(), "refund": refund}})
    };
    let (waits, done) = (object("pending"), object("succeeded"));
    let notices = [
        ("evt_3", "refund.updated", &done),
        ("evt_1", "refund.created", &waits),
        ("evt_4", "charge.refund.updated", &done),
        ("evt_3", "refund.updated", &done),
        ("evt_2", "refund.updated", &waits),
    ];
    for (n, (id, kind, object)) in notices.into_iter().enumerate() {
        desk.tell(n, id, kind, object).await?;
    }
    let seen = desk.refund(&refund).await?;
    assert_eq!((&seen["status"], &seen["receipt"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(bill.seen(&desk.till.cashier).await?["refunded"], euro(2_000));
    let told = |s: &Socket| s.events().iter().any(|event| event["type"] == "payment_refunded");
    socket.hear_until("the money is back", PATIENCE, told).await?;
    let of = |kind: &str| socket.events().iter().filter(|event| event["type"] == kind).count();
    assert_eq!((of("refund_started"), of("payment_refunded"), of("refund_failed")), (1, 1, 0));
    let rows = "select count(*) from payments.errand where what = 'refund'";
    assert_eq!(desk.sql.value::<i64>(rows, &[]).await?, 0, "nobody is asked any more");
    desk.till.audited().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_refuses_leaves_the_money_with_the_venue() -> Result<()> {
    let desk = Desk::open().await?;
    desk.bank.says("pending");
    let (bill, payment) = desk.paid().await?;
    let refund = desk.give_back(&payment).await?;
    desk.under_way().await?;
    assert_eq!(bill.seen(&desk.till.cashier).await?["refunded"], euro(2_000), "promised");
    // Nobody tells us: the look finds out.
    desk.bank.says("failed");
    desk.sql.run("update payments.errand set next_at = now() where what = 'refund'").await?;
    wait_until("the refund has failed", PATIENCE, async || {
        Ok((desk.refund(&refund).await?["status"] == "failed").then_some(()))
    })
    .await?;
    let seen = bill.seen(&desk.till.cashier).await?;
    assert_eq!((&seen["refunded"], &seen["owed"]), (&euro(0), &euro(2_000)));
    assert_eq!(
        desk.refund(&refund).await?["failure"],
        "the refund failed: expired_or_canceled_card"
    );
    let receipts = "select count(*) from payments.receipt";
    assert_eq!(desk.sql.value::<i64>(receipts, &[]).await?, 1, "nothing was given back");
    // And it can be tried again.
    desk.bank.says("succeeded");
    let again = desk.give_back(&payment).await?;
    wait_until("the refund is done", PATIENCE, async || {
        Ok((desk.refund(&again).await?["status"] == "succeeded").then_some(()))
    })
    .await?;
    assert_eq!(bill.seen(&desk.till.cashier).await?["owed"], euro(0));
    desk.till.audited().await
}

/// Whatever the order in which the steps of a charge are told, and however often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_ends_once_in_every_order_of_its_notices() -> Result<()> {
    const KINDS: [&str; 3] = ["processing", "payment_failed", "succeeded"];
    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let desk = Desk::open().await?;
    for (receipt, order) in (1..).zip(ORDERS) {
        let (bill, payment) = desk.begin().await?;
        let charge = desk.charge(&payment);
        for (n, which) in order.into_iter().chain(order).enumerate() {
            let kind = format!("payment_intent.{}", KINDS[which]);
            desk.tell(n, &format!("evt_{receipt}_{which}"), &kind, &charge).await?;
        }
        let path = desk.till.house.path(&format!("/payments/{payment}"));
        let seen = desk.till.cashier.get(path).await?.expect(200)?;
        let told = (&seen["status"], &seen["receipt"]);
        assert_eq!(told, (&json!("succeeded"), &json!(receipt)), "{order:?}");
        assert_eq!(bill.seen(&desk.till.cashier).await?["status"], "settled");
    }
    let settled = "select count(*) from log.audit where action = 'test_settled'";
    let count = i64::try_from(ORDERS.len()).context("few")?;
    assert_eq!(desk.sql.value::<i64>(settled, &[]).await?, count);
    desk.till.audited().await
}
