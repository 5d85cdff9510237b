//! Money through the API: cash, vouchers, discounts, refunds, drawers, receipts.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Person, Socket};

use crate::sale::text;
use crate::till::{GONE, REFUSES, SECRET, Till, euro};

#[tokio::test]
async fn cash_settles_a_bill_and_the_change_is_right() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let bill = till.bill(&sql, &[("Massage", 9_500), ("Tea", 580)]).await?;
    let mut socket = Socket::open(&bed.worker(0)?.address(), till.cashier.token()).await?;
    socket.listen(till.house.venue(), &["queue.cashier"], None).await?;

    let short = bill.cash(&till.cashier, None, 10_000).await?;
    short.refused(422, "payments.too_little")?;
    assert_eq!(short.json["current"]["missing"], euro(80));
    let body = json!({"method": "cash", "tendered": euro(20_000), "tip": euro(420)});
    let paid = till.cashier.post(bill.path("/payments"), body).await?.expect(201)?;
    assert_eq!(paid["payment"]["change"], euro(9_500));
    assert_eq!(paid["payment"]["amount"], euro(10_080));
    assert_eq!(paid["payment"]["status"], "succeeded");
    assert_eq!(paid["payment"]["receipt"], 1);
    assert_eq!((&paid["bill"]["status"], &paid["bill"]["rest"]), (&json!("settled"), &euro(0)));

    bill.cash(&till.cashier, None, 20_000).await?.refused(409, "payments.bill_over")?;
    let paid_for =
        |socket: &Socket| socket.events().iter().any(|event| event["type"] == "payment_succeeded");
    socket.hear_until("the payment is told", PATIENCE, paid_for).await?;
    let id: String = text(&paid, "/payment/id")?;
    let settled = "select count(*) from log.audit where action = 'test_settled' and entity_id = $1";
    assert_eq!(sql.value::<i64>(settled, &[&bill.id]).await?, 1, "the subject was told once");

    let at = |rest: &str| till.house.path(&format!("/payments/{id}{rest}"));
    let receipt = till.cashier.get(at("/receipt")).await?.expect(200)?;
    assert_eq!((&receipt["number"], &receipt["change"]), (&json!(1), &euro(9_500)));
    let printed =
        till.cashier.get(at("/receipt?columns=48")).header("Accept", "text/plain").await?;
    assert!(printed.text.contains("Change EUR"), "{}", printed.text);
    assert!(printed.text.lines().all(|line| line.chars().count() <= 48), "{}", printed.text);
    let page = till.cashier.get(at("/receipt")).header("Accept", "text/html").await?;
    assert!(page.text.starts_with("<!doctype html>"), "{}", page.text);
    till.audited().await
}

#[tokio::test]
async fn a_repeat_pays_once_and_gets_the_first_answer() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let bill = till.bill(&sql, &[("Massage", 9_500)]).await?;
    let pay = bill.cash(&till.cashier, None, 10_000).key("the-same-key");
    let first = pay.clone().await?.expect(201)?;
    let again = pay.await?;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(again.expect(201)?, first);
    till.audited().await
}

#[tokio::test]
async fn a_bill_is_split_over_cash_and_vouchers_to_the_cent() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let bill = till.bill(&sql, &[("Dinner", 10_000)]).await?;
    let shares = till.cashier.get(bill.path("?ways=3")).await?.expect(200)?;
    assert_eq!(shares["shares"], json!([euro(3_334), euro(3_333), euro(3_333)]));

    let issue = json!({"worth": euro(5_000), "reason": "Sold at the counter"});
    let manager = till.house.member("manager").await?;
    let voucher = manager.post(till.house.path("/vouchers"), issue).await?.expect(201)?;
    let code = text(&voucher, "/code")?;
    bill.cash(&till.cashier, Some(3_334), 5_000).await?.expect(201)?;
    let typed = code.replace('-', " ").to_lowercase();
    let redeem = json!({"method": "voucher", "voucher": typed});
    let redeemed = till.cashier.post(bill.path("/payments"), redeem.clone()).await?.expect(201)?;
    assert_eq!(redeemed["payment"]["amount"], euro(5_000));
    assert_eq!(redeemed["bill"]["rest"], euro(1_666));
    let empty = till.cashier.post(bill.path("/payments"), redeem).await?;
    empty.refused(409, "payments.voucher_spent")?;
    let wrong = json!({"method": "voucher", "voucher": "2222-2222-2222-2222"});
    let wrong = till.cashier.post(bill.path("/payments"), wrong).await?;
    wrong.refused(404, "payments.no_such_voucher")?;
    bill.cash(&till.cashier, Some(1_667), 2_000).await?.refused(409, "payments.more_than_rest")?;
    let last = bill.cash(&till.cashier, None, 2_000).await?.expect(201)?;
    assert_eq!(
        (&last["payment"]["change"], &last["bill"]["status"]),
        (&euro(334), &json!("settled"))
    );

    // What was paid with a voucher goes back onto it.
    let path = till.house.path(&format!("/payments/{}/refund", text(&redeemed, "/payment/id")?));
    let back = json!({"amount": euro(1_000), "reason": "The soup was cold"});
    till.cashier.post(path, back).await?.expect(201)?;
    let look = till.house.path(&format!("/vouchers?code={code}"));
    let found = till.cashier.get(look).await?.expect(200)?;
    assert_eq!(found["items"][0]["balance"], euro(1_000));
    till.audited().await
}

#[tokio::test]
async fn customers_pay_by_their_secret_and_not_with_cash() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let bill = till.bill(&sql, &[("Massage", 2_000)]).await?;
    let manager = till.house.member("manager").await?;
    let issue = json!({"worth": euro(2_500), "reason": "A present"});
    let voucher = manager.post(till.house.path("/vouchers"), issue).await?.expect(201)?;
    let body = json!({"method": "voucher", "voucher": voucher["code"]});
    let anyone = bed.anyone();
    let pay = anyone.post(bill.path("/payments"), body);
    pay.clone().await?.refused(400, "token_missing")?;
    pay.clone().header("Bill-Token", "wrong").await?.refused(403, "payments.wrong_token")?;
    let stranger = bed.person().await?;
    let theirs =
        stranger.post(bill.path("/payments"), json!({"method": "cash", "tendered": euro(1)}));
    theirs.await?.refused(403, "payments.wrong_token")?;
    bill.cash(&anyone, None, 2_000)
        .header("Bill-Token", SECRET)
        .await?
        .refused(422, "payments.cash_at_the_desk")?;
    anyone.get(bill.path("/own")).await?.refused(400, "token_missing")?;
    let own = anyone.get(bill.path("/own")).header("Bill-Token", SECRET).await?.expect(200)?;
    assert_eq!(own["rest"], euro(2_000));
    let paid = pay.header("Bill-Token", SECRET).await?.expect(201)?;
    assert_eq!(paid["bill"]["status"], "settled");
    assert!(paid["payment"]["takenBy"].is_null());
    let card = till.bill(&sql, &[("Massage", 2_000)]).await?;
    let card = anyone.post(card.path("/payments"), json!({"method": "card"}));
    let card = card.header("Bill-Token", SECRET).await?;
    card.refused(409, "payments.no_cards")?;
    assert!(card.text.contains("cash and vouchers only"), "{}", card.text);
    till.audited().await
}

#[tokio::test]
async fn what_is_gone_or_refuses_takes_no_money() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let gone = till.odd_bill(&sql, GONE, 900).await?;
    gone.cash(&till.cashier, None, 1_000).await?.refused(409, "payments.bill_over")?;
    let refuses = till.odd_bill(&sql, REFUSES, 900).await?;
    refuses.cash(&till.cashier, None, 1_000).await?.refused(409, "test.refuses")?;
    assert_eq!(sql.value::<i64>("select count(*) from payments.payment", &[]).await?, 0);
    till.audited().await
}

#[tokio::test]
async fn discounts_have_a_limit_a_reason_and_can_settle_a_bill() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let bill = till.bill(&sql, &[("Massage", 9_999)]).await?;
    let off = |person: &Person, points: u32| {
        let body = json!({"basisPoints": points, "reason": "Regular guest"});
        person.post(bill.path("/discounts"), body)
    };
    off(&till.cashier, 1_001).await?.refused(403, "payments.discount_too_large")?;
    let seen = off(&till.cashier, 1_000).await?.expect(200)?;
    assert_eq!((&seen["discount"], &seen["rest"]), (&euro(1_000), &euro(8_999)), "half a cent up");
    off(&till.cashier, 100).await?.refused(403, "payments.discount_too_large")?;
    let unreasoned =
        till.cashier.post(bill.path("/discounts"), json!({"amount": euro(1), "reason": ""}));
    unreasoned.await?.refused(422, "invalid")?;
    let manager = till.house.member("manager").await?;
    let body = json!({"amount": euro(8_999), "reason": "A mistake of ours"});
    let seen = manager.post(bill.path("/discounts"), body).await?.expect(200)?;
    assert_eq!(seen["status"], "settled");
    let audited = "select count(*) from log.audit where action = 'bill_discounted'";
    assert_eq!(sql.value::<i64>(audited, &[]).await?, 2);
    till.audited().await
}

/// A bill of `due`, paid with cash; the payment's path.
async fn paid(till: &Till, sql: &testkit::Sql, due: i64) -> Result<(crate::till::Bill, String)> {
    let bill = till.bill(sql, &[("Massage", due)]).await?;
    let paid = bill.cash(&till.cashier, None, due).await?.expect(201)?;
    let path = till.house.path(&format!("/payments/{}", text(&paid, "/payment/id")?));
    Ok((bill, path))
}

#[tokio::test]
async fn refunds_never_exceed_the_payment_and_a_void_opens_the_bill() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let (_, payment) = paid(&till, &sql, 5_000).await?;
    let back = |amount: i64| {
        let body = json!({"amount": euro(amount), "reason": "The sauna was cold"});
        till.cashier.post(format!("{payment}/refund"), body)
    };
    back(5_001).await?.refused(409, "payments.more_than_paid")?;
    let first = back(2_000).await?.expect(201)?;
    assert_eq!((&first["status"], &first["receipt"]), (&json!("succeeded"), &json!(2)));
    back(3_001).await?.refused(409, "payments.more_than_paid")?;
    let void = json!({"reason": "Rung up twice"});
    let voided = till.cashier.post(format!("{payment}/void"), void.clone()).await?;
    voided.refused(409, "payments.not_voidable")?;
    back(3_000).await?.expect(201)?;
    let seen = till.cashier.get(&payment).await?.expect(200)?;
    assert_eq!((&seen["status"], &seen["refunded"]), (&json!("refunded"), &euro(5_000)));

    let (bill, payment) = paid(&till, &sql, 5_000).await?;
    let voided = till.cashier.post(format!("{payment}/void"), void).await?.expect(201)?;
    assert_eq!((&voided["kind"], &voided["status"]), (&json!("void"), &json!("succeeded")));
    assert_eq!(bill.seen(&till.cashier).await?["status"], "open");
    let reopened =
        "select count(*) from log.audit where action = 'test_reopened' and entity_id = $1";
    assert_eq!(sql.value::<i64>(reopened, &[&bill.id]).await?, 1);
    let again = bill.cash(&till.cashier, None, 5_000).await?.expect(201)?;
    assert_eq!(again["bill"]["status"], "settled");
    till.audited().await
}

#[tokio::test]
async fn above_the_limit_two_people_give_money_back() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let (one, two) = (till.house.member("manager").await?, till.house.member("manager").await?);
    let (_, payment) = paid(&till, &sql, 20_000).await?;
    let body = json!({"amount": euro(10_001), "reason": "The treatment was cut short"});
    let asked = one.post(format!("{payment}/refund"), body.clone()).await?.expect(201)?;
    assert_eq!((&asked["status"], &asked["receipt"]), (&json!("waiting"), &Value::Null));
    let second = one.post(format!("{payment}/refund"), body).await?;
    second.refused(409, "payments.refund_under_way")?;
    let path = till.house.path(&format!("/refunds/{}", text(&asked, "/id")?));
    let decide = |by: &Person, word: &str| by.post(format!("{path}/{word}"), json!({}));
    decide(&till.cashier, "approve").await?.refused(403, "forbidden")?;
    decide(&one, "approve").await?.refused(403, "payments.same_person")?;
    let waiting = two.get(till.house.path("/refunds?status=waiting")).await?.expect(200)?;
    assert_eq!(waiting["items"].as_array().map(Vec::len), Some(1));
    let done = decide(&two, "approve").await?.expect(200)?;
    assert_eq!((&done["status"], &done["receipt"]), (&json!("succeeded"), &json!(2)));
    assert_ne!(done["madeBy"], done["decidedBy"]);
    decide(&two, "deny").await?.refused(409, "payments.decided")?;

    let (_, payment) = paid(&till, &sql, 20_000).await?;
    let void = json!({"reason": "Rung up twice"});
    let asked = till.cashier.post(format!("{payment}/void"), void).await?.expect(201)?;
    let path = till.house.path(&format!("/refunds/{}/deny", text(&asked, "/id")?));
    let denied = one.post(path, json!({})).await?.expect(200)?;
    assert_eq!(denied["status"], "denied");
    assert_eq!(till.cashier.get(&payment).await?.expect(200)?["refunded"], euro(0));

    // The limit binds managers too, so only owners move it.
    let settings = till.house.path("/payments/settings");
    let change = json!({"refundAloneMax": 50_000, "version": 0});
    one.put(&settings, change.clone()).await?.refused(403, "forbidden")?;
    let changed = till.house.owner().put(&settings, change.clone()).await?.expect(200)?;
    assert_eq!(changed["version"], 1);
    till.house.owner().put(&settings, change).await?.refused(412, "payments.stale")?;
    let body = json!({"reason": "The treatment was cut short"});
    let alone = till.cashier.post(format!("{payment}/refund"), body).await?.expect(201)?;
    assert_eq!(alone["status"], "succeeded");
    till.audited().await
}

#[tokio::test]
async fn a_drawer_is_counted_against_what_went_through_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let cashier = &till.cashier;
    let open = json!({"name": "Front desk", "float": euro(20_000)});
    let drawer = cashier.post(till.house.path("/drawers"), open.clone()).await?.expect(201)?;
    cashier.post(till.house.path("/drawers"), open).await?.refused(409, "payments.drawer_open")?;
    let at = |rest: &str| {
        till.house.path(&format!("/drawers/{}{rest}", drawer["id"].as_str().unwrap_or_default()))
    };
    let bill = till.bill(&sql, &[("Massage", 9_500)]).await?;
    let body = json!({"method": "cash", "tendered": euro(10_000), "tip": euro(300)});
    let paid = cashier.post(bill.path("/payments"), body).await?.expect(201)?;
    assert_eq!(paid["payment"]["drawerId"], drawer["id"]);
    let refund = till.house.path(&format!("/payments/{}/refund", text(&paid, "/payment/id")?));
    let back = json!({"amount": euro(500), "reason": "No tea left"});
    cashier.post(refund, back).await?.expect(201)?;
    let moved = |kind: &str, amount: i64| {
        cashier.post(at("/moves"), json!({"kind": kind, "amount": euro(amount), "reason": "Bank"}))
    };
    moved("in", 1_000).await?.expect(201)?;
    moved("out", 5_000).await?.expect(201)?;
    let x = cashier.get(at("/report")).await?.expect(200)?;
    assert_eq!(x["expected"], euro(20_000 + 9_800 - 500 + 1_000 - 5_000));
    assert!(x["count"].is_null(), "an X report counts nothing");
    let other = till.house.member("cashier").await?;
    let count = json!({"counted": euro(25_290), "note": "Ten cents are missing"});
    other.post(at("/close"), count.clone()).await?.refused(403, "payments.others_drawer")?;
    let z = cashier.post(at("/close"), count.clone()).await?.expect(200)?;
    assert_eq!((&z["count"]["difference"], &z["count"]["report"]), (&euro(-10), &json!(1)));
    assert_eq!(z["methods"][0]["tip"], euro(300));
    assert_eq!(cashier.get(at("/report")).await?.expect(200)?, z, "a Z report stays as it is");
    cashier.post(at("/close"), count).await?.refused(409, "payments.drawer_closed")?;
    moved("in", 1).await?.refused(409, "payments.drawer_closed")?;

    let settings = json!({"drawerRequired": true, "version": 0});
    let path = till.house.path("/payments/settings");
    till.house.owner().put(path, settings).await?.expect(200)?;
    let bill = till.bill(&sql, &[("Massage", 9_500)]).await?;
    bill.cash(cashier, None, 9_500).await?.refused(409, "payments.no_open_drawer")?;
    let day = cashier.get(till.house.path("/payments/report")).await?.expect(200)?;
    assert_eq!((&day["net"], &day["lastReceipt"]), (&euro(9_300), &json!(2)));
    till.audited().await
}

#[tokio::test]
async fn a_worker_cannot_change_what_has_happened() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    paid(&till, &sql, 5_000).await?;
    let rows = [
        "payment",
        "outcome",
        "refund",
        "refund_outcome",
        "refund_request",
        "refund_decision",
        "receipt",
        "discount",
        "drawer_move",
        "drawer_close",
        "notice",
    ];
    for table in rows {
        for role in ["rowlock_app", "rowlock_job"] {
            for word in ["update", "delete", "truncate"] {
                let may =
                    format!("select has_table_privilege('{role}', 'payments.{table}', '{word}')");
                assert!(!sql.value::<bool>(&may, &[]).await?, "{role} may {word} {table}");
            }
        }
    }
    // But for what staff wrote about somebody who is erased, in a job alone.
    let may = "select c.relname || '.' || a.attname
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'payments'::regnamespace and a.attnum > 0
          and c.relname = any($1::text[]) and has_column_privilege($2::text, c.oid, a.attnum, 'update')
        order by 1";
    let names: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let by = async |role: &str| sql.column::<String>(may, &[&names, &role]).await;
    assert_eq!(by("rowlock_app").await?, Vec::<String>::new());
    let words = ["discount.reason", "receipt.body", "refund.reason", "refund_request.reason"];
    assert_eq!(by("rowlock_job").await?, words);
    Ok(())
}

#[tokio::test]
async fn after_midnight_it_is_the_next_day_where_the_venue_is() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let zone = json!({"timeZone": "Pacific/Kiritimati", "version": 1});
    till.house.owner().patch(till.house.path(""), zone).await?.expect(200)?;
    let (_, payment) = paid(&till, &sql, 1_000).await?;
    let seen = till.cashier.get(&payment).await?.expect(200)?;
    // Fourteen hours ahead of UTC: the day that PostgreSQL says it is there.
    let there = "select (now() at time zone 'Pacific/Kiritimati')::date::text";
    assert_eq!(seen["day"], json!(sql.value::<String>(there, &[]).await?));
    let late = json!({"dayStartsHour": 12, "version": 0});
    till.house.owner().put(till.house.path("/payments/settings"), late).await?.expect(200)?;
    let (_, payment) = paid(&till, &sql, 1_000).await?;
    let seen = till.cashier.get(&payment).await?.expect(200)?;
    let there =
        "select (now() at time zone 'Pacific/Kiritimati' - interval '12 hours')::date::text";
    assert_eq!(seen["day"], json!(sql.value::<String>(there, &[]).await?));
    till.audited().await
}
