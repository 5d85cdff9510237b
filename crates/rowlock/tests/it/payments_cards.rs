//! Cards: a real server that answers like Stripe, webhooks that come twice, late and in any order.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use aws_lc_rs::hmac;
use reqwest::Client as Http;
use serde_json::{Value, json};
use testkit::stripe::LocalStripe;
use testkit::{Answered, Bed, Client, PATIENCE, Sql, wait_until};

use crate::sale::text;
use crate::till::{Bill, GONE, SECRET, Till, euro};

pub(crate) const WEBHOOK_SECRET: &str = "whsec_that-only-tests-know";
const KEY: &str = "sk_test_of_nobody";

/// Workers that take cards at a Stripe of their own.
pub(crate) struct Cards {
    pub(crate) bed: Bed,
    pub(crate) till: Till,
    pub(crate) sql: Sql,
    stripe: LocalStripe,
    http: Http,
}

impl Cards {
    pub(crate) async fn start(workers: usize) -> Result<Self> {
        let log = std::env::temp_dir().join(format!("localstripe-{}.log", uuid::Uuid::new_v4()));
        let stripe = tokio::task::spawn_blocking(move || LocalStripe::start(&log)).await??;
        let bed = Bed::with()
            .workers(workers)
            .env("STRIPE_URL", &stripe.url())
            .env("STRIPE_SECRET_KEY", KEY)
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("STRIPE_PUBLISHABLE_KEY", "pk_test_of_nobody")
            .start()
            .await?;
        let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
        let http = Http::builder().no_proxy().build()?;
        Ok(Self { bed, till, sql, stripe, http })
    }

    async fn asked(&self, path: &str, form: &str) -> Result<Value> {
        let url = format!("{}{path}", self.stripe.url());
        let request = self.http.post(url).bearer_auth(KEY);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(form.to_owned()).send().await?;
        let text = answer.text().await?;
        serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
    }

    /// The customer's browser: types a card into the form and confirms.
    pub(crate) async fn confirm(&self, taken: &Value, number: &str) -> Result<Value> {
        let intent = text(taken, "/card/intent")?;
        let card = format!(
            "type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2030&card[cvc]=123"
        );
        let method = self.asked("/v1/payment_methods", &card).await?;
        let path = format!("/v1/payment_intents/{intent}");
        self.asked(&path, &format!("payment_method={}", text(&method, "/id")?)).await?;
        self.asked(&format!("{path}/confirm"), "").await
    }

    async fn begin(&self, by: &Client, bill: &Bill) -> Result<Value> {
        by.post(bill.path("/payments"), json!({"method": "card"})).settled().await?.expect(201)
    }

    async fn status(&self, taken: &Value) -> Result<String> {
        let path = self.till.house.path(&format!("/payments/{}", text(taken, "/payment/id")?));
        text(&self.till.cashier.get(path).await?.expect(200)?, "/status")
    }

    pub(crate) async fn becomes(&self, taken: &Value, status: &str) -> Result<()> {
        wait_until(&format!("the payment is {status}"), PATIENCE, async || {
            Ok((self.status(taken).await? == status).then_some(()))
        })
        .await
    }

    /// The job looks at once instead of in a while.
    pub(crate) async fn hurry(&self) -> Result<()> {
        self.sql.run("update payments.errand set next_at = now()").await
    }

    /// What Stripe would send, signed.
    fn notice(&self, taken: &Value, id: &str, kind: &str, sum: i64) -> Result<String> {
        let object = json!({"id": text(taken, "/card/intent")?, "object": "payment_intent",
            "amount": sum, "amount_received": sum, "currency": "eur", "status": "succeeded",
            "metadata": {"venue": self.till.house.venue(),
                         "payment": text(taken, "/payment/id")?}});
        Ok(json!({"id": id, "type": kind, "data": {"object": object}}).to_string())
    }

    async fn send(&self, worker: usize, body: &str, secret: &str) -> Result<Answered> {
        let now = self.sql.value::<f64>("select extract(epoch from now())::float8", &[]).await?;
        let signature = signed(secret, format!("{now:.0}").parse()?, body);
        self.sent(worker, body, &signature).await
    }

    async fn sent(&self, worker: usize, body: &str, signature: &str) -> Result<Answered> {
        let ask = self.bed.anyone().at(worker).post("/api/v1/payments/webhooks/stripe", json!({}));
        ask.raw(body.to_owned()).header("Stripe-Signature", signature).settled().await
    }
}

pub(crate) fn signed(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex = tag.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("t={seconds},v1={hex}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_pays_through_stripe_and_its_own_webhook() -> Result<()> {
    let cards = Cards::start(1).await?;
    let hook = format!(
        "url={}/api/v1/payments/webhooks/stripe&secret={WEBHOOK_SECRET}",
        cards.bed.worker(0)?.base()
    );
    let set = cards.http.post(format!("{}/_config/webhooks/here", cards.stripe.url()));
    let set = set.header("Content-Type", "application/x-www-form-urlencoded").body(hook);
    assert!(set.send().await?.status().is_success());
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let ask = cards
        .bed
        .anyone()
        .post(bill.path("/payments"), json!({"method": "card", "tip": euro(500)}));
    let ask = ask.header("Bill-Token", SECRET).key("of-the-customer");
    let taken = ask.clone().await?.expect(201)?;
    assert_eq!(taken["payment"]["status"], "pending");
    assert_eq!((&taken["bill"]["pending"], &taken["bill"]["rest"]), (&euro(9_500), &euro(0)));
    assert_eq!(taken["card"]["publishableKey"], "pk_test_of_nobody");
    let again = ask.await?.expect(201)?;
    assert_eq!(again["card"], taken["card"], "a repeat finds the same charge");
    // Nobody pays twice what a card is paying.
    bill.cash(&cards.till.cashier, None, 10_000).await?.refused(409, "payments.being_paid")?;

    let confirmed = cards.confirm(&taken, "4242424242424242").await?;
    assert_eq!((&confirmed["status"], &confirmed["amount"]), (&json!("succeeded"), &json!(10_000)));
    cards.becomes(&taken, "succeeded").await?;
    assert_eq!(bill.seen(&cards.till.cashier).await?["status"], "settled");
    let heard = "select count(*) from payments.notice";
    wait_until("the webhook has come", PATIENCE, async || {
        Ok((cards.sql.value::<i64>(heard, &[]).await? > 0).then_some(()))
    })
    .await?;

    // And back: the provider gives it, then the receipt is there.
    let path = cards.till.house.path(&format!("/payments/{}/refund", text(&taken, "/payment/id")?));
    let back = json!({"amount": euro(2_000), "reason": "The sauna was cold"});
    let refund = cards.till.cashier.post(path, back).await?.expect(201)?;
    assert_eq!(refund["status"], "pending");
    let path = cards.till.house.path(&format!("/refunds/{}", text(&refund, "/id")?));
    wait_until("the card has its money back", PATIENCE, async || {
        let seen = cards.till.cashier.get(&path).await?.expect(200)?;
        Ok((seen["status"] == "succeeded").then_some(()))
    })
    .await?;
    cards.till.audited().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_webhook_the_job_finds_out() -> Result<()> {
    let cards = Cards::start(1).await?;
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    cards.confirm(&taken, "4242424242424242").await?;
    cards.hurry().await?;
    cards.becomes(&taken, "succeeded").await?;

    // A card that nobody has paid with for half an hour is let go, and the bill is free again.
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    let old =
        "update payments.errand set created_at = now() - interval '31 minutes', next_at = now()";
    cards.sql.run(old).await?;
    cards.becomes(&taken, "failed").await?;
    bill.cash(&cards.till.cashier, None, 9_500).await?.expect(201)?;
    cards.till.audited().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_is_cancelled_frees_the_bill_and_one_that_has_paid_stands() -> Result<()> {
    let cards = Cards::start(1).await?;
    let cancel = |taken: &Value| {
        let id = taken["payment"]["id"].as_str().unwrap_or_default().to_owned();
        let path = cards.till.house.path(&format!("/payments/{id}/cancel"));
        cards.till.cashier.post(path, json!({}))
    };
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    cancel(&taken).await?.expect(200)?;
    cards.becomes(&taken, "failed").await?;
    let declined = cards.begin(&cards.till.cashier, &bill).await?;
    cards.confirm(&declined, "4000000000000341").await?;
    assert_eq!(cards.status(&declined).await?, "pending", "the customer may try another card");
    cancel(&declined).await?.expect(200)?;
    cards.becomes(&declined, "failed").await?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    let paid = cards.confirm(&taken, "4242424242424242").await?;
    assert_eq!(paid["status"], "succeeded", "{paid}");
    cancel(&taken).await?.expect(200)?;
    cards.becomes(&taken, "succeeded").await?;
    cancel(&taken).await?.refused(409, "payments.wrong_status")?;
    assert_eq!(bill.seen(&cards.till.cashier).await?["status"], "settled");
    cards.till.audited().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_that_come_often_and_in_any_order_have_one_effect() -> Result<()> {
    const WORKERS: usize = 2;
    let cards = Cards::start(WORKERS).await?;
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    let body = |id: &str, kind: &str| cards.notice(&taken, id, kind, 9_500);
    let success = body("evt_2", "payment_intent.succeeded")?;
    cards.send(0, &success, "whsec_forged").await?.refused(400, "payments.bad_signature")?;
    cards.sent(0, &success, "").await?.refused(400, "payments.bad_signature")?;
    let old = cards.sql.value::<f64>("select extract(epoch from now())::float8 - 400", &[]).await?;
    let late = signed(WEBHOOK_SECRET, format!("{old:.0}").parse()?, &success);
    cards.sent(0, &success, &late).await?.refused(400, "payments.bad_signature")?;
    assert_eq!(cards.status(&taken).await?, "pending");

    // The failure of the first try, and a cancellation that cannot be, come after the success.
    let failed = body("evt_1", "payment_intent.payment_failed")?;
    let over = body("evt_3", "payment_intent.canceled")?;
    let mut waiting = Vec::new();
    for n in 0..20 {
        waiting.push(cards.send(n % WORKERS, &success, WEBHOOK_SECRET));
    }
    for answer in futures_util::future::join_all(waiting).await {
        answer?.expect(200)?;
    }
    for body in [&failed, &success, &over, &failed, &success] {
        cards.send(1, body, WEBHOOK_SECRET).await?.expect(200)?;
    }
    cards.becomes(&taken, "succeeded").await?;
    let count = async |table: &str| {
        let sql = format!("select count(*) from payments.{table}");
        cards.sql.value::<i64>(&sql, &[]).await
    };
    assert_eq!((count("outcome").await?, count("receipt").await?), (1, 1));
    let settled = "select count(*) from log.audit where action = 'test_settled'";
    assert_eq!(cards.sql.value::<i64>(settled, &[]).await?, 1);
    cards.till.audited().await
}

/// No state in which somebody has paid and has neither what they paid for nor their money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_comes_too_late_goes_back_by_itself() -> Result<()> {
    let cards = Cards::start(1).await?;
    let bill = cards.till.odd_bill(&cards.sql, GONE, 3_000).await?;
    // A part with cash, which has to be handed out; the rest by card, a moment too late.
    bill.cash(&cards.till.cashier, Some(1_000), 1_000).await?.expect(201)?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    cards.confirm(&taken, "4242424242424242").await?;
    cards.hurry().await?;
    cards.becomes(&taken, "refunded").await?;
    let refunds = cards.till.house.path("/refunds");
    let found = wait_until("the card has its money back", PATIENCE, async || {
        let found = cards.till.cashier.get(&refunds).await?.expect(200)?;
        let all = found["items"].as_array().cloned().unwrap_or_default();
        let done = all.iter().any(|it| it["method"] == "card" && it["status"] == "succeeded");
        Ok((done && all.len() == 2).then_some(all))
    })
    .await?;
    let cash = found.iter().find(|it| it["method"] == "cash").context("no cash")?;
    assert_eq!((&cash["status"], &cash["amount"]), (&json!("pending"), &euro(1_000)));
    let path = cards.till.house.path(&format!("/refunds/{}/hand-out", text(cash, "/id")?));
    let given = cards.till.cashier.post(&path, json!({})).await?.expect(200)?;
    assert_eq!(given["status"], "succeeded");
    cards.till.cashier.post(&path, json!({})).await?.refused(409, "payments.decided")?;
    let seen = bill.seen(&cards.till.cashier).await?;
    assert_eq!((&seen["status"], &seen["refunded"]), (&json!("closed"), &euro(3_000)));

    // Another sum than was asked for counts for nothing and goes back whole.
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let taken = cards.begin(&cards.till.cashier, &bill).await?;
    cards.confirm(&taken, "4242424242424242").await?;
    let odd = cards.notice(&taken, "evt_odd", "payment_intent.succeeded", 1)?;
    cards.send(0, &odd, WEBHOOK_SECRET).await?.expect(200)?;
    cards.becomes(&taken, "refunded").await?;
    assert_ne!(bill.seen(&cards.till.cashier).await?["status"], "settled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_stripe_is_away_nothing_is_lost() -> Result<()> {
    let mut cards = Cards::start(1).await?;
    let bill = cards.till.bill(&cards.sql, &[("Massage", 9_500)]).await?;
    let log = std::env::temp_dir().join(format!("localstripe-{}.log", uuid::Uuid::new_v4()));
    // The old one is gone; the workers know only its port.
    cards.stripe = tokio::task::spawn_blocking(move || LocalStripe::start(&log)).await??;
    let pay = cards.till.cashier.post(bill.path("/payments"), json!({"method": "card"}));
    let answer = pay.clone().await?;
    answer.refused(503, "payments.provider_away")?;
    assert!(answer.header("Retry-After").is_some());
    // The same request again finds the same payment; it does not promise the bill twice.
    pay.await?.refused(503, "payments.provider_away")?;
    assert_eq!(cards.sql.value::<i64>("select count(*) from payments.payment", &[]).await?, 1);
    assert_eq!(bill.seen(&cards.till.cashier).await?["pending"], euro(9_500));
    cards.till.audited().await
}
