//! Payments that come when the time of their booking is over: the same seats, equal ones, or the
//! money back.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket, Sql, wait_until};

use crate::booking_best::rows;
use crate::booking_pay::{Made, PRICE, audited, balance, book, paid, voucher};
use crate::sale::{Sale, text};

/// The time of all pending bookings, and of all holds, ends so many milliseconds from now.
pub(crate) async fn end_in(sql: &Sql, millis: u32) -> Result<()> {
    let end = format!("clock_timestamp() + interval '{millis} milliseconds'");
    let all = format!(
        "begin;
         update booking.hold set expires_at = {end} where status = 'live';
         update booking.claim set expires_at = {end} where expires_at is not null;
         update booking.booking set pay_by = {end}, sweep_at = {end} where status = 'pending';
         commit"
    );
    // It takes no lock in the order of the slice: it may meet the sweep in a circle.
    for _ in 0..5 {
        if sql.run(&all).await.is_ok() {
            return Ok(());
        }
        sql.run("rollback").await?;
    }
    sql.run(&all).await
}

/// The sweep does not come by: what is true is true without it.
pub(crate) async fn nobody_sweeps(sql: &Sql) -> Result<()> {
    let later = "update booking.booking set sweep_at = now() + interval '1 hour'
        where status = 'pending'";
    sql.run(later).await
}

/// So long ago that no payment gets seats any more.
pub(crate) async fn close_late(sql: &Sql) -> Result<()> {
    let past = "update booking.booking set pay_by = now() - interval '11 minutes',
        sweep_at = now() where status = 'expired'";
    sql.run(past).await
}

pub(crate) fn seats(booking: &Value) -> Vec<&str> {
    booking["seats"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_booking_expires_and_watchers_hear_it() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 4)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    let mut watcher = Socket::open(&bed.worker(1)?.address(), clerk.token()).await?;
    watcher.listen(sale.house.venue(), &["seats", "bookings"], None).await?;
    let before = sale.map(&ana).await?;
    let made = book(&sale, &ana, &["R1-1", "R1-2"]).await?;
    made.cash(&clerk, Some(5_000)).await?.expect(201)?;
    end_in(&sql, 300).await?;
    let expired = made.becomes(&ana, "expired").await?;
    assert_eq!(expired["payBy"], Value::Null);
    let over = |s: &Socket| s.events().iter().filter(|e| e["action"] == "expired").count();
    watcher.hear_until("seats and booking expire", PATIENCE, |s| over(s) == 2).await?;
    let mut map = before.clone();
    watcher.events().iter().try_for_each(|event| map.apply(event))?;
    assert_eq!(map.seats, before.seats, "all seats are free again");
    assert_eq!(sale.map(&bed.anyone()).await?.seats, before.seats);
    watcher.check_against(&sql).await?;
    ana.post(format!("{}/cancel", made.path), json!({}))
        .await?
        .refused(409, "booking.booking_over")?;
    let to = json!({"seats": ["R1-3", "R1-4"]});
    clerk.post(format!("{}/move", made.path), to).await?.refused(409, "booking.booking_over")?;
    audited(&sale.house).await?;

    // The bill is closed when nobody may be late any more, and the part that was paid goes back.
    assert_eq!(made.bill(&bed.anyone()).await?["status"], "open");
    close_late(&sql).await?;
    wait_until("the bill is closed", PATIENCE, async || {
        let bill = made.bill(&bed.anyone()).await?;
        Ok((bill["status"] == "closed" && bill["refunded"]["amount"] == 5_000).then_some(()))
    })
    .await?;
    made.cash(&clerk, None).await?.refused(409, "payments.bill_over")?;
    audited(&sale.house).await
}

#[tokio::test]
async fn seats_of_an_unpaid_booking_are_free_at_their_time_though_nobody_sweeps() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 3)).await?;
    let (ana, ben, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    let made = book(&sale, &ana, &["R1-1", "R1-2"]).await?;
    nobody_sweeps(&sql).await?;
    end_unswept(&sql).await?;
    assert_eq!(sale.map(&bed.anyone()).await?.seats["R1-1"], "free");
    let hold = sale.hold(&ben, &["R1-1"]).await?.expect(201)?;
    let to = json!({"seats": ["R1-2", "R1-3"]});
    clerk.post(format!("{}/move", made.path), to).await?.refused(409, "booking.booking_over")?;
    audited(&sale.house).await?;
    // Cancelled now, it frees what is its own and nothing of Ben's.
    ana.post(format!("{}/cancel", made.path), json!({})).await?.expect(200)?;
    let map = sale.map(&bed.anyone()).await?;
    assert_eq!((&*map.seats["R1-1"], &*map.seats["R1-2"]), ("held", "free"));
    let body = json!({"hold": hold["id"], "token": hold["token"], "customer": {"name": "Ben"}});
    ben.post(sale.path("/bookings"), body).await?.expect(201)?;
    audited(&sale.house).await
}

/// The time is over, and the sweep still comes in an hour.
pub(crate) async fn end_unswept(sql: &Sql) -> Result<()> {
    sql.run(
        "begin;
         update booking.claim set expires_at = now() where expires_at is not null;
         update booking.booking set pay_by = now() where status = 'pending';
         commit",
    )
    .await
}

#[tokio::test]
async fn who_pays_late_gets_the_same_seats_while_nobody_has_them() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 4)).await?;
    let (ana, sql, anyone) = (bed.person().await?, bed.sql().await?, bed.anyone());
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    // Swept, and not.
    let swept = book(&sale, &ana, &["R1-1", "R1-2"]).await?;
    end_in(&sql, 0).await?;
    swept.becomes(&ana, "expired").await?;
    let unswept = book(&sale, &ana, &["R1-3"]).await?;
    nobody_sweeps(&sql).await?;
    end_unswept(&sql).await?;
    for (made, wanted) in [(&swept, vec!["R1-1", "R1-2"]), (&unswept, vec!["R1-3"])] {
        let code = voucher(&sale.house, 2 * PRICE).await?;
        made.redeem(&anyone, &code).await?.expect(201)?;
        let seen = made.seen(&ana).await?;
        assert_eq!((&seen["status"], seats(&seen)), (&json!("confirmed"), wanted));
    }
    let map = sale.map(&anyone).await?;
    assert!(["R1-1", "R1-2", "R1-3"].iter().all(|seat| map.seats[*seat] == "sold"));
    sale.hold(&clerk, &["R1-1"]).await?.refused(409, "booking.seats_taken")?;
    audited(&sale.house).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_pays_late_gets_equal_seats_where_somebody_else_has_theirs() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 4)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let clerk = sale.house.member("box_office").await?;
    paid(&sale).await?;
    let hold = sale.hold(&ana, &["R1-1", "R1-2"]).await?.expect(201)?;
    let body = json!({"hold": hold["id"], "token": hold["token"],
        "customer": {"name": "Ana Lopes", "email": "ana@example.org"}});
    let made = Made::of(&sale.house, ana.post(sale.path("/bookings"), body).await?.expect(201)?)?;
    nobody_sweeps(&sql).await?;
    end_unswept(&sql).await?;
    sale.hold(&clerk, &["R1-2"]).await?.expect(201)?;
    let mut watcher = Socket::open(&bed.worker(1)?.address(), None).await?;
    let mut map = sale.map(&bed.anyone()).await?;
    watcher.listen(sale.house.venue(), &["seats"], Some(&map.pos)).await?;
    made.cash(&clerk, None).await?.expect(201)?;
    let seen = made.seen(&ana).await?;
    assert_eq!(seats(&seen), ["R1-3", "R1-4"], "side by side, the best that are free");
    assert_eq!(seen["price"]["amount"], 2 * PRICE);
    let after = sale.map(&bed.anyone()).await?;
    assert_eq!((&*after.seats["R1-1"], &*after.seats["R1-3"]), ("free", "sold"));
    watcher.hear_until("the new seats", PATIENCE, |s| s.events().len() == 2).await?;
    watcher.events().iter().try_for_each(|event| map.apply(event))?;
    assert_eq!(map.seats, after.seats);
    let mail: String =
        sql.value("select text from notify.mail where kind = 'booking_moved'", &[]).await?;
    assert!(mail.contains("R1-3, R1-4"), "{mail}");
    audited(&sale.house).await
}

#[tokio::test]
async fn who_pays_late_keeps_their_money_where_nothing_equal_is_left() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let sale = Sale::of(house.clone(), rows(1, 3)).await?;
    let (ana, sql, anyone) = (bed.person().await?, bed.sql().await?, bed.anyone());
    let clerk = house.member("box_office").await?;
    paid(&sale).await?;
    let made = book(&sale, &ana, &["R1-1", "R1-2"]).await?;
    made.cash(&clerk, Some(4_000)).await?.expect(201)?;
    nobody_sweeps(&sql).await?;
    end_unswept(&sql).await?;
    sale.hold(&clerk, &["R1-2", "R1-3"]).await?.expect(201)?;
    let code = voucher(&house, 2 * PRICE).await?;
    made.redeem(&anyone, &code).await?.refused(409, "payments.bill_over")?;
    assert_eq!(balance(&house, &code).await?, 2 * PRICE, "nothing was taken");
    assert_eq!(made.seen(&ana).await?["status"], "pending", "nor was anything else changed");
    audited(&house).await?;
    // What was paid before goes back with the bill.
    sql.run("update booking.booking set sweep_at = now()").await?;
    made.becomes(&ana, "expired").await?;
    close_late(&sql).await?;
    wait_until("the bill is closed", PATIENCE, async || {
        Ok((made.bill(&anyone).await?["refunded"]["amount"] == 4_000).then_some(()))
    })
    .await?;
    audited(&house).await
}

#[tokio::test]
async fn equal_means_category_price_and_wheels_and_a_table_is_no_row() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let sale = Sale::draft(house.clone(), rows(1, 1)).await?;
    let price = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let category = |code: &str, amount| json!({"code": code, "name": code, "price": price(amount)});
    let row = |name: &str, category: &str, seats: i64, accessible: &[u16]| {
        json!({"name": name, "kind": "row", "mode": "by_seat", "category": category,
            "seats": seats, "accessible": accessible})
    };
    let table = |name: &str| json!({"name": name, "kind": "table", "mode": "whole", "category": "dear", "seats": 2});
    let plan = json!({"plan": {
        "categories": [category("dear", 9_000), category("cheap", 1_000)],
        "blocks": [row("A", "dear", 2, &[1]), row("B", "cheap", 6, &[]),
            row("C", "dear", 3, &[3]), table("T1"), table("T2")]}});
    let owner = house.owner();
    owner.put(sale.path("/layout"), plan).await?.expect(200)?;
    owner.patch(sale.path(""), json!({"status": "on_sale"})).await?.expect(200)?;
    paid(&sale).await?;
    let (clerk, sql) = (house.member("box_office").await?, bed.sql().await?);
    let wheels = book(&sale, &clerk, &["A-1", "B-1"]).await?;
    let whole = book(&sale, &clerk, &["T1-1", "T1-2"]).await?;
    let dear = book(&sale, &clerk, &["C-1", "C-2"]).await?;
    nobody_sweeps(&sql).await?;
    end_unswept(&sql).await?;
    sale.hold(&clerk, &["A-1"]).await?.expect(201)?;
    for table in ["T1", "T2"] {
        let seats = [format!("{table}-1"), format!("{table}-2")];
        sale.hold(&clerk, &[&seats[0], &seats[1]]).await?.expect(201)?;
    }
    wheels.cash(&clerk, None).await?.expect(201)?;
    assert_eq!(seats(&wheels.seen(&clerk).await?), ["B-1", "C-3"], "a wheelchair reaches C-3");
    whole.cash(&clerk, None).await?.refused(409, "payments.bill_over")?;
    // A-2 is the last dear seat besides its own: C-1 is its own still, C-2 is not.
    sale.hold(&clerk, &["C-2"]).await?.expect(201)?;
    dear.cash(&clerk, None).await?.expect(201)?;
    assert_eq!(seats(&dear.seen(&clerk).await?), ["A-2", "C-1"]);
    audited(&house).await
}

#[tokio::test]
async fn a_moved_clock_ends_them_as_it_ends_holds() -> Result<()> {
    let file = std::env::temp_dir().join(format!("rowlock-pay-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "0")?;
    let ahead = file.to_str().context("no text")?;
    let bed = Bed::with().env("RULES_AHEAD", ahead).start().await?;
    let sale = Sale::of(bed.house().await?, rows(1, 4)).await?;
    let (ana, clerk) = (bed.person().await?, sale.house.member("box_office").await?);
    paid(&sale).await?;
    let (late, never) =
        (book(&sale, &ana, &["R1-1"]).await?, book(&sale, &clerk, &["R1-2"]).await?);
    never.cash(&clerk, Some(1_000)).await?.expect(201)?;
    let set = |secs: i64| {
        let new = file.with_extension("new");
        std::fs::write(&new, (secs * 1_000_000).to_string())?;
        std::fs::rename(new, &file)
    };
    // What the machine has needed until here is a part of the ten minutes.
    set(570)?;
    assert_eq!(late.seen(&ana).await?["status"], "pending");
    set(602)?;
    late.becomes(&ana, "expired").await?;
    late.cash(&clerk, None).await?.expect(201)?;
    assert_eq!(seats(&late.seen(&ana).await?), ["R1-1"]);
    // Ten minutes more, and the bill is closed.
    set(1_205)?;
    wait_until("the bill is closed", PATIENCE, async || {
        Ok((never.bill(&bed.anyone()).await?["status"] == "closed").then_some(()))
    })
    .await?;
    audited(&sale.house).await?;
    let id = text(&late.json, "/id")?;
    assert_eq!(late.seen(&ana).await?["id"], json!(id));
    std::fs::remove_file(file)?;
    Ok(())
}
