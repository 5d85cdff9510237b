//! Each promise is broken by hand, past every rule, and the audit names it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, House};

use crate::sale::{Sale, blocks};
use crate::till::{Till, euro};

/// The check that has to see it, and what breaks its promise.
const BREAKS: &[(&str, &str)] = &[
    (
        "log.events_dense",
        "delete from log.venue_event e using log.venue_head h
        where e.venue_id = h.venue_id and e.seq = h.seq and e.seq > 1",
    ),
    ("booking.bookings_claim", "delete from booking.claim where booking_id is not null"),
    (
        "booking.claims_match",
        "insert into booking.claim (venue_id, show_id, seat, booking_id)
        select venue_id, id, 4, gen_random_uuid() from booking.show",
    ),
    (
        "booking.one_owner",
        "insert into booking.booking
        select (jsonb_populate_record(b, jsonb_build_object('id', gen_random_uuid(),
            'code', 'TWICE', 'hold_id', null))).* from booking.booking b",
    ),
    (
        "booking.holds_expire",
        "alter table booking.hold drop constraint if exists hold_check;
        update booking.hold set status = 'live', expires_at = now() - interval '5 minutes',
            created_at = now() - interval '10 minutes'",
    ),
    ("booking.seats_of_venue", "delete from booking.claim; delete from booking.seat"),
    ("payments.bill_sums", "update payments.bill set paid = paid - 1, due = due - 1"),
    ("payments.settled_is_paid", "update payments.bill set status = 'open'"),
    ("payments.drawer_is_payments", "update payments.drawer_close set expected = expected - 1"),
    ("payments.voucher_balance", "update payments.voucher set balance = balance - 1"),
    (
        "payments.money_has_receipt",
        "update payments.receipt set payment_id = gen_random_uuid()
        where payment_id is not null",
    ),
    ("payments.receipts_dense", "delete from payments.receipt where number = 1"),
    ("payments.owed_is_left", "update payments.bill set owed = 1"),
    ("payments.refunds_within", "update payments.refund set amount = 1000000"),
    ("payments.nobody_waits_for_nothing", "delete from payments.outcome"),
    (
        "payments.providers_answer",
        "insert into payments.errand
        select venue_id, id, 'charge', id, 'stripe', null, 1, 'EUR', false, 9, now(), 'away',
            now() - interval '3 hours' from payments.payment limit 1",
    ),
    ("payments.one_currency", "update payments.payment set currency = 'USD'"),
    (
        "booking.confirmed_is_paid",
        "update booking.booking set pay_by = now() where status = 'confirmed'",
    ),
    (
        "booking.bookings_swept",
        "update booking.booking set sweep_at = now() - interval '5 minutes'",
    ),
    (
        "booking.paid_is_given",
        "insert into payments.bill (venue_id, kind, id, title, lines, due, paid, currency,
            house_currency, status, opened_at)
        select venue_id, 'booking', gen_random_uuid(), 'Booking', '[]', 100, 100, 'EUR', 'EUR',
            'closed', now() from booking.booking limit 1",
    ),
    ("spa.totals_are_items", "update spa.order set total = total + 1"),
    ("spa.held_once", "update spa.therapist set order_id = null"),
    ("spa.holders_hold", "update spa.room set order_id = gen_random_uuid() where order_id is null"),
    (
        "spa.stays_apart",
        "insert into spa.stay
        select venue_id, gen_random_uuid(), order_id, room_id, therapist_id, room_during,
            therapist_during from spa.stay where not upper_inf(therapist_during)",
    ),
    (
        "spa.claims_leased",
        "update spa.order set lease_until = null where status = 'therapist_confirmed'",
    ),
    ("spa.codes_once", "update spa.order set code = 'A-001'"),
];

/// What would refuse such a thing by itself, besides triggers and keys that are made to look away.
const WALLS: &str = "alter table payments.bill drop constraint bill_settled_is_paid,
        drop constraint bill_never_overpaid, drop constraint bill_refunds_what_was_paid;
    alter table spa.stay drop constraint stay_room_once, drop constraint stay_therapist_once;
    alter table spa.order drop constraint order_code_key";

/// Money that came, went back and was counted, and a voucher.
pub(crate) async fn money(bed: &Bed, house: &House) -> Result<Till> {
    let sql = bed.sql().await?;
    let till = Till { house: house.clone(), cashier: house.member("cashier").await? };
    let issue = json!({"worth": euro(1_000), "reason": "A present"});
    house.owner().post(house.path("/vouchers"), issue).await?.expect(201)?;
    let open = json!({"name": "Front desk", "float": euro(20_000)});
    let drawer = till.cashier.post(house.path("/drawers"), open).await?.expect(201)?;
    let bill = till.bill(&sql, &[("Massage", 5_000)]).await?;
    let paid = bill.cash(&till.cashier, None, 5_000).await?.expect(201)?;
    let id = paid["payment"]["id"].as_str().context("no payment")?;
    let back = json!({"amount": euro(1_000), "reason": "Cold water"});
    let refund = house.path(&format!("/payments/{id}/refund"));
    till.cashier.post(refund, back).await?.expect(201)?;
    let id = drawer["id"].as_str().context("no drawer")?;
    let close = house.path(&format!("/drawers/{id}/close"));
    till.cashier.post(close, json!({"counted": euro(24_000)})).await?.expect(200)?;
    Ok(till)
}

/// A venue in which everything has happened that the checks look at.
async fn busy(bed: &Bed) -> Result<Till> {
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    sale.hold(sale.house.owner(), &["T1-1"]).await?.expect(201)?;
    sale.book(sale.house.owner(), &["T1-2"]).await?.expect(201)?;
    crate::spa_house::busy(bed, &sale.house).await?;
    money(bed, &sale.house).await
}

fn broken(found: &Value) -> Vec<String> {
    let checks = found["checks"].as_array().cloned().unwrap_or_default();
    let bad = checks.iter().filter(|check| check["violations"] != json!([]));
    bad.filter_map(|check| check["name"].as_str().map(str::to_owned)).collect()
}

/// How often the same is broken until it is seen.
const TRIES_MAX: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_broken_by_hand_is_named() -> Result<()> {
    let bed = Bed::start(1).await?;
    let till = busy(&bed).await?;
    let path = till.house.path("/audit/invariants");
    let whole = till.house.owner().get(&path).await?.expect(200)?;
    assert_eq!((broken(&whole), &whole["holds"]), (vec![], &json!(true)));
    let names: Vec<_> = whole["checks"]
        .as_array()
        .context("no checks")?
        .iter()
        .filter_map(|check| check["name"].as_str())
        .collect();
    let untried = |name: &&&str| BREAKS.iter().all(|(broken, _)| *broken != **name);
    let untried: Vec<_> = names.iter().filter(untried).collect();
    assert!(untried.is_empty(), "nobody has tried to break {untried:?}");
    let sql = bed.sql().await?;
    sql.run(WALLS).await?;
    let mut before: Vec<String> = Vec::new();
    for (name, how) in BREAKS {
        assert!(!before.iter().any(|it| it == name), "{name} was broken before it was tried");
        let (mut all, mut tries) = (Vec::new(), 0);
        // A sweep may have mended it before anybody has looked.
        while !all.iter().any(|it| it == name) && tries < TRIES_MAX {
            tries += 1;
            sql.run("set session_replication_role = replica; begin").await?;
            sql.run(how).await.with_context(|| format!("{name}, try {tries}, {all:?}"))?;
            sql.run("commit").await?;
            let found = till.house.owner().get(&path).await?.expect(200)?;
            all = broken(&found);
            assert_eq!(found["holds"], all.is_empty());
        }
        assert!(all.iter().any(|it| it == name), "{name} is not seen, only {all:?}");
        before = all;
    }
    let cashier = till.cashier.get(&path).await?;
    cashier.refused(403, "forbidden")?;
    Ok(())
}

#[tokio::test]
async fn the_command_says_the_same_and_fails_where_something_is_broken() -> Result<()> {
    let bed = Bed::start(1).await?;
    let till = busy(&bed).await?;
    let run = || {
        let mut command = std::process::Command::new(testkit::binary()?);
        let command =
            command.args(["audit", "invariants"]).env("DATABASE_URL", bed.database().url());
        anyhow::Ok(command.output()?)
    };
    let whole = run()?;
    let said = String::from_utf8_lossy(&whole.stdout).into_owned();
    assert!(whole.status.success() && said.contains("promises hold"), "{said}");
    bed.sql().await?.run("update payments.voucher set balance = balance - 1").await?;
    let broken = run()?;
    let said = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert!(!broken.status.success(), "{said}");
    assert!(said.contains("BROKEN  payments.voucher_balance"), "{said}");
    assert!(said.contains(till.house.venue()), "{said}");
    Ok(())
}
