//! Wrong in: each mistake has its status, its code and a sentence that helps, and changes nothing.

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{Ask, Bed, Minter, Person, Sql, wait_until};

use crate::booking_expiry::end_holds_in;
use crate::sale::{Sale, blocks, labels, text};

const NOBODY: &str = "0198c0de-0000-7000-8000-000000000001";

/// Everything that a write could have changed: rows of the tables, heads of the logs. Keys are
/// left out, because a refusal that decides is kept under its key.
async fn state(sql: &Sql) -> Result<String> {
    let tables = [
        "booking.show",
        "booking.seat",
        "booking.hold",
        "booking.claim",
        "booking.booking",
        "booking.layout",
        "identity.venue",
        "identity.member",
        "log.venue_head",
        "log.venue_event",
        "log.audit",
    ];
    let mut state = String::new();
    for table in tables {
        let rows = format!(
            "select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from {table} t"
        );
        state.push_str(&sql.value::<String>(&rows, &[]).await?);
        state.push(' ');
    }
    Ok(state)
}

/// What each mistake should give.
type Case = (Ask, u16, &'static str);

async fn check(sql: &Sql, cases: Vec<Case>) -> Result<()> {
    let before = state(sql).await?;
    for (ask, status, code) in cases {
        ask.await?.refused(status, code)?;
    }
    assert_eq!(state(sql).await?, before, "a refused request changed something");
    Ok(())
}

fn broken_bodies(sale: &Sale, ana: &Person) -> Vec<Case> {
    let hold = || sale.hold(ana, &["T1-1"]);
    let with = |body: serde_json::Value| hold().json(&body);
    let eleven: Vec<_> = labels(2, 6).into_iter().take(11).collect();
    let huge = format!("{{\"seats\":[\"{}\"]}}", "x".repeat(1024 * 1024));
    vec![
        (hold().raw("{\"seats\":"), 400, "body_broken"),
        (hold().raw("[".repeat(100)), 400, "body_too_deep"),
        (hold().raw("{\"seats\":[\"T1-1\\u0000\"]}"), 400, "body_has_nul"),
        (hold().raw(huge), 413, "body_too_large"),
        (hold().header("Content-Type", "text/plain"), 415, "not_json"),
        (with(json!({"seats": ["T1-1"], "colour": "red"})), 422, "invalid"),
        (with(json!({"seats": "T1-1"})), 422, "invalid"),
        (with(json!({})), 422, "invalid"),
        (with(json!({"seats": []})), 422, "invalid"),
        (with(json!({"seats": ["T1-1", "T1-1"]})), 422, "invalid"),
        (with(json!({"seats": eleven})), 422, "invalid"),
        (hold().without_key(), 400, "key_missing"),
        (hold().key("short"), 400, "key_invalid"),
        (hold().key("has a space in it"), 400, "key_invalid"),
    ]
}

#[tokio::test]
async fn what_is_broken_is_refused_and_changes_nothing() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(2, 6)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    check(&sql, broken_bodies(&sale, &ana)).await?;
    let wrong = sale.hold(&ana, &[]).json(&json!({"seats": ["T1-1", 7]})).await?;
    assert_eq!(wrong.json["errors"][0]["pointer"], "/seats/1", "{}", wrong.text);
    sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_seat_that_cannot_be_had_is_refused_and_changes_nothing() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let sale = Sale::of(house.clone(), blocks(2, 6)).await?;
    let draft = Sale::draft(house.clone(), blocks(1, 2)).await?;
    let mut table = blocks(1, 4);
    table[0]["mode"] = "whole".into();
    let whole = Sale::of(house.clone(), table).await?;
    let over = Sale::of(house.clone(), blocks(1, 2)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    sql.execute(
        "update booking.show set starts_at = now() - interval '1 minute' where id = $1",
        &[&over.show.parse::<uuid::Uuid>()?],
    )
    .await?;
    let elsewhere = Sale { show: sale.show.clone(), house: bed.house().await? };
    let unknown = Sale { show: NOBODY.to_owned(), house: house.clone() };
    let no_venue = format!("/api/v1/venues/{NOBODY}/shows/{}/holds", sale.show);
    let seats = json!({"seats": ["T1-1"]});
    let owner = sale.house.owner();
    let cases = vec![
        (sale.hold(&ana, &["T1-1", "Z9-99"]), 404, "booking.no_such_seats"),
        (unknown.hold(&ana, &["T1-1"]), 404, "booking.no_such_show"),
        (elsewhere.hold(&ana, &["T1-1"]), 404, "booking.no_such_show"),
        (elsewhere.book(&ana, &["T1-1"]), 404, "booking.no_such_show"),
        (ana.post(no_venue, seats.clone()), 404, "booking.no_such_show"),
        (ana.post("/api/v1/venues/lisbon/shows/x/holds", seats.clone()), 404, "no_such_path"),
        (owner.post(elsewhere.path("/withhold"), seats.clone()), 404, "no_such_path"),
        (ana.post(sale.path("/withhold"), seats.clone()), 404, "no_such_path"),
        (draft.hold(&ana, &["T1-1"]), 409, "booking.not_on_sale"),
        (draft.book(owner, &["T1-1"]), 409, "booking.not_on_sale"),
        (over.hold(&ana, &["T1-1"]), 409, "booking.begun"),
        (whole.hold(&ana, &["T1-1"]), 409, "booking.whole_only"),
        (ana.get(sale.house.path(&format!("/bookings/{NOBODY}"))), 404, "booking.no_such_booking"),
    ];
    check(&sql, cases).await
}

#[tokio::test]
async fn a_hold_opens_only_to_its_token_and_in_its_time() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 6)).await?;
    let other = Sale::of(sale.house.clone(), blocks(1, 2)).await?;
    let (ana, ben, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    let hold = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    let (id, token) = (text(&hold, "/id")?, text(&hold, "/token")?);
    let bens = text(&sale.hold(&ben, &["T1-2"]).await?.expect(201)?, "/token")?;
    let confirm = |sale: &Sale, hold: &str, token: &str| {
        let customer = json!({"name": "Ana Lopes"});
        let body = json!({"hold": hold, "token": token, "customer": customer});
        ana.post(sale.path("/bookings"), body)
    };
    let extend = |hold: &str, token: &str| {
        let path = sale.house.path(&format!("/holds/{hold}/extend"));
        ana.post(path, json!({})).header("Hold-Token", token)
    };
    let release = |token: &str| {
        ana.delete(sale.house.path(&format!("/holds/{id}"))).header("Hold-Token", token)
    };
    let no_name = json!({"hold": id, "token": token, "customer": {"name": " "}});
    let no_token = json!({"hold": id, "customer": {"name": "Ana"}});
    let cases = vec![
        (confirm(&sale, &id, &bens), 403, "booking.wrong_token"),
        (confirm(&sale, &id, ""), 403, "booking.wrong_token"),
        (confirm(&other, &id, &token), 409, "booking.other_show"),
        (confirm(&sale, NOBODY, &token), 404, "booking.no_such_hold"),
        (extend(&id, &bens), 403, "booking.wrong_token"),
        (extend(NOBODY, &token), 404, "booking.no_such_hold"),
        (release(&bens), 403, "booking.wrong_token"),
        (ana.delete(sale.house.path(&format!("/holds/{id}"))), 400, "booking.token_missing"),
        (ana.post(sale.path("/bookings"), no_name), 422, "invalid"),
        (ana.post(sale.path("/bookings"), no_token), 422, "invalid"),
    ];
    check(&sql, cases).await?;

    end_holds_in(&sql, 0).await?;
    let live = "select count(*) from booking.hold where status = 'live'";
    wait_until("the holds are swept", testkit::PATIENCE, async || {
        Ok((sql.value::<i64>(live, &[]).await? == 0).then_some(()))
    })
    .await?;
    let cases = vec![
        (confirm(&sale, &id, &token), 410, "booking.hold_expired"),
        (extend(&id, &token), 410, "booking.hold_expired"),
        (confirm(&sale, &id, &bens), 403, "booking.wrong_token"),
    ];
    check(&sql, cases).await
}

#[tokio::test]
async fn a_token_that_does_not_count_is_refused_and_changes_nothing() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let minter = Minter::install(&sql).await?;
    bed.worker(0)?.kill()?;
    bed.restart(0).await?;
    let good = ana.token().context("ana has a token")?;
    let payload = Minter::payload(good)?;
    let with_claim = |name: &str, value: serde_json::Value| {
        let mut payload = payload.clone();
        payload[name] = value;
        minter.token(&payload)
    };
    let long_ago = json!(payload["exp"].as_i64().context("no exp")? - 3600);
    let (head, signature) = good.rsplit_once('.').context("no signature")?;
    let (header, _) = head.split_once('.').context("no payload")?;
    let foreign = with_claim("sub", json!(NOBODY));
    let body = foreign.split('.').nth(1).context("no payload")?;
    let forged = format!("{header}.{body}.{signature}");
    let with = |token: &str| sale.hold(&ana.with_token(token), &["T1-1"]);
    let cases = vec![
        (sale.hold(&bed.anyone(), &["T1-1"]), 401, "no_token"),
        (with(&with_claim("exp", long_ago)), 401, "token_expired"),
        (with(&with_claim("iss", json!("somebody"))), 401, "token_invalid"),
        (with(&with_claim("aud", json!("somebody"))), 401, "token_invalid"),
        (with(&with_claim("nbf", json!(4_000_000_000_i64))), 401, "token_invalid"),
        (with(&forged), 401, "token_invalid"),
        (with(&format!("{head}.")), 401, "token_invalid"),
        (with("eyJhbGciOiJub25lIn0.e30."), 401, "token_invalid"),
        (with(&foreign), 401, "user_gone"),
        (
            sale.hold(&bed.anyone(), &["T1-1"]).header("Authorization", "Basic YTpi"),
            401,
            "token_invalid",
        ),
    ];
    check(&sql, cases).await?;
    // The control: what the minter makes counts, where nothing is wrong with it.
    with(&minter.token(&payload)).await?.expect(201)?;
    Ok(())
}
