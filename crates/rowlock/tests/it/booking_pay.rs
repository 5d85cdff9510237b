//! Shows whose bookings are paid: pending, paid, confirmed; voided, cancelled, given back.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Ask, Bed, Client, House, PATIENCE, Person, Socket, Sql, wait_until};
use uuid::Uuid;

use crate::booking_best::rows;
use crate::sale::{Sale, blocks, text};
use crate::till::euro;

/// A seat of `Sale`.
pub(crate) const PRICE: i64 = 12_000;

/// The show's bookings are to be paid.
pub(crate) async fn paid(sale: &Sale) -> Result<()> {
    let rule = json!({"payment": "required", "paySecs": 600});
    let show = sale.house.owner().patch(sale.path(""), rule).await?.expect(200)?;
    anyhow::ensure!(show["payment"] == "required" && show["paySecs"] == 600, "{show}");
    Ok(())
}

/// All promises hold.
pub(crate) async fn audited(house: &House) -> Result<()> {
    let found = house.owner().get(house.path("/audit/invariants")).await?.expect(200)?;
    anyhow::ensure!(found["holds"] == true, "promises are broken: {found:#}");
    Ok(())
}

/// A voucher's code.
pub(crate) async fn voucher(house: &House, worth: i64) -> Result<String> {
    let issue = json!({"worth": euro(worth), "reason": "A present"});
    let made = house.owner().post(house.path("/vouchers"), issue).await?.expect(201)?;
    text(&made, "/code")
}

/// What is left of a voucher.
pub(crate) async fn balance(house: &House, code: &str) -> Result<i64> {
    let path = house.path(&format!("/vouchers?code={code}"));
    let found = house.owner().get(path).await?.expect(200)?;
    found.pointer("/items/0/balance/amount").and_then(Value::as_i64).context("no voucher")
}

/// A booking that somebody made, and its bill.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) path: String,
    pub(crate) bill: String,
    pub(crate) json: Value,
}

impl Made {
    pub(crate) fn of(house: &House, json: Value) -> Result<Self> {
        let id = text(&json, "/id")?;
        Ok(Self {
            token: text(&json, "/billToken")?,
            path: house.path(&format!("/bookings/{id}")),
            bill: house.path(&format!("/bills/booking/{id}")),
            id,
            json,
        })
    }

    /// The customer pays with a voucher, by the secret.
    pub(crate) fn redeem(&self, anyone: &Client, code: &str) -> Ask {
        let body = json!({"method": "voucher", "voucher": code});
        let ask = anyone.post(format!("{}/payments", self.bill), body);
        ask.header("Bill-Token", &self.token)
    }

    /// The box office takes cash: all that is left, or `amount`.
    pub(crate) fn cash(&self, clerk: &Client, amount: Option<i64>) -> Ask {
        let mut body = json!({"method": "cash", "tendered": euro(100_000)});
        if let Some(amount) = amount {
            body["amount"] = euro(amount);
        }
        clerk.post(format!("{}/payments", self.path), body)
    }

    pub(crate) async fn seen(&self, who: &Client) -> Result<Value> {
        who.get(&self.path).await?.expect(200)
    }

    /// Its bill as its customer sees it.
    pub(crate) async fn bill(&self, anyone: &Client) -> Result<Value> {
        anyone
            .get(format!("{}/own", self.bill))
            .header("Bill-Token", &self.token)
            .await?
            .expect(200)
    }

    pub(crate) async fn becomes(&self, who: &Client, status: &str) -> Result<Value> {
        wait_until(&format!("the booking is {status}"), PATIENCE, async || {
            let seen = self.seen(who).await?;
            Ok((seen["status"] == status).then_some(seen))
        })
        .await
    }
}

/// Books these seats, to be paid.
pub(crate) async fn book(sale: &Sale, who: &Client, seats: &[&str]) -> Result<Made> {
    let json = sale.book(who, seats).settled().await?.expect(201)?;
    anyhow::ensure!(json["status"] == "pending" && json["payBy"].is_string(), "{json}");
    Made::of(&sale.house, json)
}

async fn hold_and_book(sale: &Sale, who: &Client, seats: &[&str], key: &str) -> Result<Made> {
    let hold = sale.hold(who, seats).await?.expect(201)?;
    let body = json!({"hold": hold["id"], "token": hold["token"],
        "customer": {"name": "Ana Lopes", "email": "ana@example.org"}});
    let ask = who.post(sale.path("/bookings"), body).key(key);
    let json = ask.clone().await?.expect(201)?;
    assert_eq!(ask.await?.expect(201)?, json, "a repeat gets the same secret");
    Made::of(&sale.house, json)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_is_pending_until_it_is_paid_in_cash() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let (ana, eve) = (bed.person().await?, bed.person().await?);
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    let mut watcher = Socket::open(&bed.worker(1)?.address(), clerk.token()).await?;
    watcher.listen(sale.house.venue(), &["seats", "bookings"], None).await?;

    let made = hold_and_book(&sale, &ana, &["T1-1", "T1-2"], "ana-books-two").await?;
    assert_eq!(made.json["status"], "pending");
    let seen = made.seen(&ana).await?;
    assert_eq!((&seen["payBy"], &seen["billToken"]), (&made.json["payBy"], &Value::Null));
    let map = sale.map(&bed.anyone()).await?;
    assert_eq!((&*map.seats["T1-1"], &*map.seats["T1-3"]), ("held", "free"));
    sale.hold(&eve, &["T1-1"]).await?.refused(409, "booking.seats_taken")?;
    let bill = made.bill(&bed.anyone()).await?;
    assert_eq!((&bill["due"], &bill["rest"]), (&euro(2 * PRICE), &euro(2 * PRICE)));
    assert_eq!(bill["lines"][0]["quantity"], 2);
    // Whoever booked follows it without being told how.
    let mut own = Socket::open(&bed.worker(0)?.address(), ana.token()).await?;
    own.listen(sale.house.venue(), &[&format!("booking.{}", made.id)], None).await?;
    let mut by_secret = Socket::open(&bed.worker(1)?.address(), None).await?;
    let topic = format!("booking.{}", made.id);
    by_secret.listen_with(sale.house.venue(), &[&topic], None, Some(&made.token)).await?;

    made.cash(&eve, None).await?.refused(404, "no_such_path")?;
    let scanner = sale.house.member("scanner").await?;
    made.cash(&scanner, None).await?.refused(403, "forbidden")?;
    let part = made.cash(&clerk, Some(PRICE)).await?.expect(201)?;
    assert_eq!(part["bill"]["status"], "open");
    assert_eq!(made.seen(&ana).await?["status"], "pending", "half is not all");
    let all = made.cash(&clerk, None).await?.expect(201)?;
    assert_eq!(all["bill"]["status"], "settled");
    let seen = made.seen(&ana).await?;
    assert_eq!((&seen["status"], &seen["payBy"]), (&json!("confirmed"), &Value::Null));
    assert_eq!(sale.map(&bed.anyone()).await?.seats["T1-1"], "sold");
    made.cash(&clerk, None).await?.refused(409, "payments.bill_over")?;

    for socket in [&mut watcher, &mut own, &mut by_secret] {
        let paid = |s: &Socket| s.events().iter().any(|event| event["action"] == "paid");
        socket.hear_until("it is paid", PATIENCE, paid).await?;
        let told = serde_json::to_string(socket.events())?;
        assert!(!told.contains(&made.token), "a secret is told: {told}");
    }
    let statuses: Vec<&Value> = watcher
        .events()
        .iter()
        .filter(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("booking_")))
        .map(|event| &event["data"]["status"])
        .collect();
    assert_eq!(statuses, [&json!("pending"), &json!("confirmed")]);
    audited(&sale.house).await
}

#[tokio::test]
async fn a_customer_pays_with_a_voucher_by_the_secret() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let (ana, anyone) = (bed.person().await?, bed.anyone());
    paid(&sale).await?;
    let made = book(&sale, &ana, &["T1-1"]).await?;
    let code = voucher(&sale.house, 20_000).await?;
    let guess = Made { token: "a guess".into(), ..Made::of(&sale.house, made.json.clone())? };
    guess.redeem(&anyone, &code).await?.refused(403, "payments.wrong_token")?;
    made.redeem(&anyone, &code).await?.expect(201)?;
    assert_eq!(made.seen(&ana).await?["status"], "confirmed");
    assert_eq!(balance(&sale.house, &code).await?, 20_000 - PRICE);

    // Cancelled, it is back on the voucher; what was booked before payment was asked for is not.
    ana.post(format!("{}/cancel", made.path), json!({})).await?.expect(200)?;
    assert_eq!(balance(&sale.house, &code).await?, 20_000);
    assert_eq!(made.bill(&anyone).await?["status"], "closed");
    made.redeem(&anyone, &code).await?.refused(409, "payments.bill_over")?;
    audited(&sale.house).await
}

async fn codes(made: &Made, who: &Person) -> Result<usize> {
    let found = who.get(format!("{}/tickets", made.path)).await?.expect(200)?;
    Ok(found["tickets"].as_array().context("no tickets")?.len())
}

#[tokio::test]
async fn tickets_come_with_the_money_and_go_with_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let (ana, clerk) = (bed.person().await?, sale.house.member("box_office").await?);
    let owner = sale.house.owner();
    let doors = json!({"name": "Winter Gala", "opensAt": "2020-01-01T00:00:00Z",
        "closesAt": "2099-03-01T00:00:00Z"});
    owner.put(sale.path("/doors"), doors).await?.expect(200)?;
    owner.post(sale.path("/ticket-types"), json!({"name": "Standard"})).await?.expect(201)?;
    owner.patch(sale.path(""), json!({"tickets": true})).await?.expect(200)?;
    paid(&sale).await?;
    let made = book(&sale, &ana, &["T1-1", "T1-2"]).await?;
    assert_eq!(codes(&made, &ana).await?, 0);
    // It is moved and renamed as any other, and keeps its time.
    let to = json!({"seats": ["T1-2", "T1-3"]});
    let moved = clerk.post(format!("{}/move", made.path), to).await?.expect(200)?;
    assert_eq!(moved["payBy"], made.json["payBy"]);
    clerk.patch(&made.path, json!({"name": "Maria Lopes"})).await?.expect(200)?;
    let map = sale.map(&ana).await?;
    assert_eq!((&*map.seats["T1-1"], &*map.seats["T1-3"]), ("free", "held"));
    let payment = made.cash(&clerk, None).await?.expect(201)?;
    assert_eq!(codes(&made, &ana).await?, 2);

    // Voided, it is to be paid again, with a time of its own.
    let void = format!("/payments/{}/void", text(&payment, "/payment/id")?);
    let manager = sale.house.member("manager").await?;
    let why = json!({"reason": "It was a card"});
    let asked = manager.post(sale.house.path(&void), why).await?.expect(201)?;
    assert_eq!(asked["status"], "waiting", "so much needs two people");
    let approve = sale.house.path(&format!("/refunds/{}/approve", text(&asked, "/id")?));
    owner.post(approve, json!({})).await?.expect(200)?;
    let seen = made.seen(&ana).await?;
    assert_eq!((&seen["status"], codes(&made, &ana).await?), (&json!("pending"), 0));
    assert!(seen["payBy"].as_str() >= made.json["payBy"].as_str());
    assert_eq!(sale.map(&ana).await?.seats["T1-3"], "held");
    audited(&sale.house).await?;
    made.cash(&clerk, None).await?.expect(201)?;
    assert_eq!((codes(&made, &ana).await?, &made.seen(&ana).await?["seats"]), (2, &moved["seats"]));
    audited(&sale.house).await
}

#[tokio::test]
async fn what_costs_nothing_or_is_not_to_be_paid_is_confirmed_at_once() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let (ana, owner) = (bed.person().await?, sale.house.owner());
    let before = sale.book(&ana, &["T1-1"]).await?.expect(201)?;
    assert_eq!((&before["status"], &before["billToken"]), (&json!("confirmed"), &Value::Null));
    for wrong in [json!({"paySecs": 59}), json!({"paySecs": 259_201}), json!({"payment": "maybe"})]
    {
        assert!([400, 422].contains(&owner.patch(sale.path(""), wrong).await?.status));
    }
    paid(&sale).await?;
    let free = json!({"code": "gala", "name": "Gala", "price": {"amount": 0, "currency": "EUR"}});
    let plan = json!({"plan": {"categories": [free], "blocks": blocks(1, 4)}});
    owner.put(sale.path("/layout"), plan).await?.expect(200)?;
    let booked = sale.book(&ana, &["T1-2"]).await?.expect(201)?;
    assert_eq!((&booked["status"], &booked["payBy"]), (&json!("confirmed"), &Value::Null));

    // Bills are in the venue's currency.
    let new = json!({"name": "Abroad", "startsAt": "2099-02-01T19:00:00.000000Z",
        "currency": "USD"});
    let mut paid_abroad = new.clone();
    paid_abroad["payment"] = json!("required");
    let refused = owner.post(sale.house.path("/shows"), paid_abroad).await?;
    refused.refused(422, "booking.not_house_currency")?;
    let abroad = owner.post(sale.house.path("/shows"), new).await?.expect(201)?;
    let path = sale.house.path(&format!("/shows/{}", text(&abroad, "/id")?));
    let refused = owner.patch(path, json!({"payment": "required"})).await?;
    refused.refused(422, "booking.not_house_currency")?;
    audited(&sale.house).await
}

#[tokio::test]
async fn a_show_is_made_to_be_paid() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let new = |rule: Value| {
        let mut body = json!({"name": "Winter Gala", "startsAt": "2099-02-01T19:00:00.000000Z",
            "currency": "EUR"});
        body.as_object_mut()
            .into_iter()
            .for_each(|it| it.extend(rule.as_object().cloned().unwrap_or_default()));
        house.owner().post(house.path("/shows"), body)
    };
    let usual = new(json!({})).await?.expect(201)?;
    assert_eq!((&usual["payment"], &usual["paySecs"]), (&json!("none"), &json!(900)));
    for wrong in [json!({"paySecs": 59}), json!({"paySecs": 259_201})] {
        new(wrong).await?.refused(422, "invalid")?;
    }
    assert!([400, 422].contains(&new(json!({"payment": "maybe"})).await?.status));
    let made = new(json!({"payment": "required", "paySecs": 600})).await?.expect(201)?;
    assert_eq!((&made["payment"], &made["paySecs"]), (&json!("required"), &json!(600)));
    let sale = Sale { show: text(&made, "/id")?, house: house.clone() };
    assert_eq!(house.owner().get(sale.path("")).await?.expect(200)?, made);
    let gala = json!({"code": "gala", "name": "Gala", "price": euro(PRICE)});
    let plan = json!({"plan": {"categories": [gala], "blocks": blocks(1, 4)}});
    house.owner().put(sale.path("/layout"), plan).await?.expect(200)?;
    house.owner().patch(sale.path(""), json!({"status": "on_sale"})).await?.expect(200)?;
    let clerk = house.member("box_office").await?;
    book(&sale, &clerk, &["T1-1"]).await?.cash(&clerk, None).await?.expect(201)?;
    audited(&house).await
}

#[tokio::test]
async fn what_a_customer_keeps_without_paying_is_limited() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 8)).await?;
    let (ana, clerk) = (bed.person().await?, sale.house.member("box_office").await?);
    paid(&sale).await?;
    let first = book(&sale, &ana, &["T1-1"]).await?;
    hold_and_book(&sale, &ana, &["T1-2"], "the-second-one").await?;
    sale.book(&ana, &["T1-3"]).await?.refused(409, "booking.too_many_holds")?;
    sale.hold(&ana, &["T1-3"]).await?.refused(409, "booking.too_many_holds")?;
    first.cash(&clerk, None).await?.expect(201)?;
    sale.hold(&ana, &["T1-3"]).await?.expect(201)?;
    for seat in ["T1-4", "T1-5", "T1-6"] {
        book(&sale, &clerk, &[seat]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_bundle_is_paid_booking_by_booking() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let (one, two) =
        (Sale::of(house.clone(), rows(1, 3)).await?, Sale::of(house.clone(), rows(1, 3)).await?);
    paid(&one).await?;
    let (ana, clerk) = (bed.person().await?, house.member("box_office").await?);
    let shows = json!({"shows": [{"show": one.show, "seats": ["R1-1"]},
        {"show": two.show, "seats": ["R1-1", "R1-2"]}]});
    let bundle = ana.post(house.path("/bundles"), shows).await?.expect(201)?;
    let body = json!({"token": bundle["token"], "customer": {"name": "Ana"}});
    let path = house.path(&format!("/bundles/{}/bookings", text(&bundle, "/id")?));
    let booked = ana.post(path, body).await?.expect(201)?;
    let all = booked["bookings"].as_array().context("no bookings")?;
    let of = |sale: &Sale| all.iter().find(|it| it["showId"] == json!(sale.show)).cloned();
    let (due, free) = (of(&one).context("one")?, of(&two).context("two")?);
    assert_eq!((&due["status"], &free["status"]), (&json!("pending"), &json!("confirmed")));
    assert_eq!(free["billToken"], Value::Null, "its show asks for nothing");
    let made = Made::of(&house, due)?;
    made.cash(&clerk, None).await?.expect(201)?;
    assert_eq!(made.seen(&ana).await?["status"], "confirmed");
    audited(&house).await
}

/// The show has begun.
async fn begin(sql: &Sql, show: &str) -> Result<()> {
    let id: Uuid = show.parse()?;
    let begun = "update booking.show set starts_at = now() - interval '1 minute' where id = $1";
    sql.execute(begun, &[&id]).await?;
    Ok(())
}

#[tokio::test]
async fn after_the_show_began_only_the_house_gives_money_back() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    let made = book(&sale, &ana, &["T1-1"]).await?;
    made.cash(&clerk, None).await?.expect(201)?;
    begin(&sql, &sale.show).await?;
    let cancel = |who: &Person| who.post(format!("{}/cancel", made.path), json!({}));
    cancel(&ana).await?.refused(409, "booking.begun")?;
    cancel(&clerk).await?.expect(200)?;
    // Cash waits to be handed out.
    let path = sale.house.path("/refunds");
    let found = sale.house.owner().get(path).await?.expect(200)?;
    assert_eq!(
        (&found["items"][0]["status"], &found["items"][0]["amount"]),
        (&json!("pending"), &euro(PRICE))
    );
    audited(&sale.house).await
}

#[tokio::test]
async fn a_cancelled_show_gives_back_what_was_paid() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 6)).await?;
    let (clerk, anyone) = (sale.house.member("box_office").await?, bed.anyone());
    paid(&sale).await?;
    let mut bought = Vec::new();
    for seat in ["T1-1", "T1-2", "T1-3", "T1-4"] {
        let (made, code) =
            (book(&sale, &clerk, &[seat]).await?, voucher(&sale.house, PRICE).await?);
        made.redeem(&anyone, &code).await?.expect(201)?;
        bought.push((made, code));
    }
    let part = book(&sale, &clerk, &["T1-5"]).await?;
    part.cash(&clerk, Some(5_000)).await?.expect(201)?;
    sale.house.owner().post(sale.path("/cancel"), json!({})).await?.expect(200)?;
    audited(&sale.house).await?;
    for (made, code) in &bought {
        wait_until("the money is back", PATIENCE, async || {
            Ok((balance(&sale.house, code).await? == PRICE).then_some(()))
        })
        .await?;
        assert_eq!(made.seen(&clerk).await?["status"], "cancelled");
    }
    wait_until("the part is on its way back", PATIENCE, async || {
        let bill = part.bill(&anyone).await?;
        Ok((bill["status"] == "closed" && bill["refunded"] == euro(5_000)).then_some(()))
    })
    .await?;
    audited(&sale.house).await
}
