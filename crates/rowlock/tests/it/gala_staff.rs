//! What staff do at a gala: move, propose, withhold, reset, export, import, print.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Answered, Bed};

use crate::gala_hall::{Hall, check_chairs, name, number, pairs};
use crate::sale::{blocks, text};

#[tokio::test]
async fn three_guests_of_full_tables_go_round() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (3, 1), 4).await?;
    let anyone = bed.anyone();
    for n in 1..=3 {
        hall.seat(&anyone, [n], &format!("T{n}")).await?;
    }
    let round = [(1, Some("T2")), (2, Some("T3")), (3, Some("T1"))];
    let moved = hall.moves(hall.owner(), &round).await?.await?.expect(200)?;
    assert_eq!(moved["guests"].as_array().context("guests")?.len(), 3);
    assert_eq!(hall.places([1, 2, 3]).await?, ["T2", "T3", "T1"]);

    let crowded = hall.moves(hall.owner(), &[(1, Some("T3")), (4, Some("T2"))]).await?.await?;
    crowded.refused(409, "gala.tables_too_small")?;
    assert_eq!(
        crowded.json["current"]["tables"][0],
        json!({"table": "T3", "free": 0, "guests": 1})
    );
    assert_eq!(hall.places([1, 4]).await?, ["T2", "-"], "nobody moved");
    let swap = [(1, None), (4, Some("T2"))];
    hall.moves(hall.owner(), &swap).await?.await?.expect(200)?;
    assert_eq!(hall.places([1, 2, 3, 4]).await?, ["-", "T3", "T1", "T2"]);
    let unseated = hall.owner().get(hall.path("/unseated")).await?.expect(200)?;
    assert_eq!(unseated["items"][0]["number"], number(1).as_str());
    let nobody =
        json!({"moves": [{"guest": "0198c0de-0000-7000-8000-000000000001", "table": "T1"}]});
    let nobody = hall.owner().post(hall.path("/moves"), nobody).await?;
    nobody.refused(404, "gala.no_such_guest")?;
    check_chairs(&bed.sql().await?).await
}

#[tokio::test]
async fn a_proposal_is_carried_out_as_it_was_shown_or_not_at_all() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (3, 4), 9).await?;
    let anyone = bed.anyone();
    hall.token(&anyone, [1, 2, 3]).await?;
    let friends = hall.token(&anyone, [4]).await?;
    let code = hall.guests(&format!("&q={}", number(1))).await?[0]["party"].clone();
    let body = json!({"guests": [], "with": code});
    let with = anyone.put(hall.path("/preferences"), body).header("Guest-Token", &friends);
    with.await?.expect(200)?;
    let propose = async || hall.owner().get(hall.path("/proposal")).await?.expect(200);
    let apply = |proposal: &Value| {
        let body = json!({"seats": proposal["seats"], "tables": proposal["tables"]});
        hall.owner().post(hall.path("/proposal"), body)
    };
    let stale = propose().await?;
    assert_eq!(stale["left"], json!([]));
    assert_eq!(stale["seats"].as_array().context("seats")?.len(), 9);
    let late = hall.seat(&anyone, [9], "T3").await?;
    let refused = apply(&stale).await?;
    refused.refused(409, "gala.proposal_stale")?;
    assert_eq!(refused.json["current"]["guests"][0]["number"], number(9).as_str());
    assert_eq!(refused.json["current"]["tables"][0]["name"], "T3");
    assert_eq!(hall.places([1]).await?, ["-"]);

    let fresh = propose().await?;
    let seated = apply(&fresh).await?.expect(200)?;
    assert_eq!(seated["guests"].as_array().context("guests")?.len(), 8);
    let places = hall.places(1..=9).await?;
    assert!(
        places[..4].iter().all(|place| *place == places[0]),
        "friends sit together: {places:?}"
    );
    assert!(!places.contains(&"-".to_owned()));
    assert!(!late.is_empty());
    check_chairs(&bed.sql().await?).await
}

#[tokio::test]
async fn a_reset_is_typed_and_written_down() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 4).await?;
    let anyone = bed.anyone();
    hall.seat(&anyone, [1, 2], "T1").await?;
    hall.seat(&anyone, [3], "T2").await?;
    let reset = |body: Value| hall.owner().post(hall.path("/reset"), body);
    for wrong in ["", "RESET", "reset t1", "RESET ALL"] {
        let refused = reset(json!({"table": "T1", "confirm": wrong})).await?;
        refused.refused(422, "gala.unconfirmed")?;
    }
    let done = reset(json!({"table": "T1", "confirm": "RESET T1"})).await?.expect(200)?;
    assert_eq!(done["unseated"], 2);
    assert_eq!(hall.places([1, 2, 3]).await?, ["-", "-", "T2"]);
    hall.seat(&anyone, [4], "T1").await?;
    let done = reset(json!({"confirm": "RESET ALL"})).await?.expect(200)?;
    assert_eq!(done["unseated"], 2);
    assert_eq!(hall.places(1..=4).await?, ["-", "-", "-", "-"]);
    let audit = hall.owner().get(hall.sale.house.path("/audit?action=gala_reset")).await?;
    let audit = audit.expect(200)?;
    assert_eq!(audit["items"].as_array().context("items")?.len(), 2);
    assert_eq!(audit["items"][1]["payload"]["detail"]["table"], "T1");
    let host = hall.sale.house.member("host").await?;
    let body = json!({"confirm": "RESET ALL"});
    host.post(hall.path("/reset"), body).await?.refused(403, "forbidden")?;
    check_chairs(&bed.sql().await?).await
}

/// Sends a file.
async fn import(hall: &Hall, query: &str, kind: &str, bytes: Vec<u8>) -> Result<Answered> {
    let ask = hall.owner().post(hall.path(&format!("/import{query}")), json!({}));
    ask.header("Content-Type", kind).raw(bytes).await
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

#[tokio::test]
async fn a_list_survives_the_way_out_and_in_again() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (3, 4), 6).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    sql.run("update tickets.ticket set name = '=cmd|''/C calc''!A0' where number = 'G-0001'")
        .await?;
    let odd = json!([{"number": number(1), "name": "=cmd|'/C calc'!A0"}]);
    let session = hall.open(&anyone, odd).await?.expect(201)?;
    let (token, guest) = (text(&session, "/token")?, text(&session, "/party/guests/0/id")?);
    let wishes = json!({"dietary": ["no nuts", "vegan"], "accessible": true, "children": 2,
        "note": "-2 steps, \"please\"\nthank you"});
    let body = json!({"guests": [{"guest": guest, "preferences": wishes}]});
    let set = anyone.put(hall.path("/preferences"), body).header("Guest-Token", &token);
    set.await?.expect(200)?;
    hall.choose(&anyone, &token, "T2").await?.expect(201)?;
    hall.seat(&anyone, [2, 3], "T2").await?;
    hall.seat(&anyone, [4, 5], "T1").await?;
    let before = hall.guests("").await?;
    let fields = |guests: &[Value]| -> Vec<Value> {
        let each = |g: &Value| json!([g["number"], g["name"], g["table"], g["preferences"]]);
        guests.iter().map(each).collect()
    };
    for kind in ["text/csv", XLSX] {
        let ask = hall.owner().get(hall.path("/assignments")).header("Accept", kind);
        let file = ask.await?;
        assert_eq!(file.status, 200);
        if kind == "text/csv" {
            assert!(file.text.contains("'=cmd"), "{}", file.text);
            assert!(!file.text.contains(",=cmd") && !file.text.contains("\"=cmd"));
        }
        let body = json!({"confirm": "RESET ALL"});
        hall.owner().post(hall.path("/reset"), body).await?.expect(200)?;
        sql.run("update gala.guest set dietary = '{}', note = null, children = 0").await?;
        let report = import(&hall, "", kind, file.bytes.clone()).await?.expect(200)?;
        assert_eq!((&report["taken"], &report["moved"]), (&json!(6), &json!(5)), "{report}");
        assert_eq!(fields(&hall.guests("").await?), fields(&before), "{kind}");
    }
    check_chairs(&sql).await
}

#[tokio::test]
async fn an_import_reports_each_bad_row_and_takes_none_unless_told_to() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 2), 6).await?;
    hall.seat(&bed.anyone(), [6], "T2").await?;
    let file = "number,name,table,note\n\
        g0001,,T1,first\nG-0002,Somebody Else,T1,\nG-0099,,T1,\nG-0003,,T7,\nG-0004,,T1,\n\
        G-0005,,T1,\nG-0006,,,gone\n";
    let refused = import(&hall, "", "text/csv", file.into()).await?;
    refused.refused(422, "gala.bad_rows")?;
    let errors = refused.json["errors"].as_array().context("errors")?;
    let told: Vec<(&str, &str)> = errors
        .iter()
        .map(|e| (e["pointer"].as_str().unwrap_or(""), e["code"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        ("/rows/3", "name_differs"),
        ("/rows/4", "unknown"),
        ("/rows/5", "no_such_table"),
        ("/rows/7", "table_full"),
    ];
    assert_eq!(told, expected);
    assert_eq!(hall.places([1, 4, 6]).await?, ["-", "-", "T2"]);

    let looked = import(&hall, "?dryRun=true", "text/csv", file.into()).await?.expect(200)?;
    assert_eq!((&looked["taken"], &looked["moved"]), (&json!(3), &json!(3)));
    assert_eq!(hall.places([1, 6]).await?, ["-", "T2"], "it was only looked at");
    let taken = import(&hall, "?skipBad=true", "text/csv", file.into()).await?.expect(200)?;
    assert_eq!(taken["refused"].as_array().context("refused")?.len(), 4);
    assert_eq!(hall.places([1, 2, 3, 4, 5, 6]).await?, ["T1", "-", "-", "T1", "-", "-"]);
    assert_eq!(hall.guests("&q=first").await?.len(), 1);

    let no_list = import(&hall, "", "text/csv", b"a,b\n1,2\n".to_vec()).await?;
    no_list.refused(422, "gala.bad_file")?;
    import(&hall, "", XLSX, b"PK\x03\x04".to_vec()).await?.refused(422, "gala.bad_file")?;
    import(&hall, "", "application/json", b"{}".to_vec()).await?.refused(415, "not_a_table")?;
    check_chairs(&bed.sql().await?).await
}

#[tokio::test]
async fn cards_are_pages_and_figures_tell_the_past() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (3, 4), 4).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    sql.run("update tickets.ticket set name = '<b>Bea</b> Cruz' where number = 'G-0003'").await?;
    let token = hall.seat(&anyone, [1, 2], "T1").await?;
    let bea = json!([{"number": number(3), "name": "<b>Bea</b> Cruz"}]);
    let bea = text(&hall.open(&anyone, bea).await?.expect(201)?, "/token")?;
    hall.choose(&anyone, &bea, "T3").await?.expect(201)?;
    let cards = hall.owner().get(hall.path("/cards")).await?;
    assert_eq!(cards.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(cards.text.matches("<section>").count(), 2, "a page for each table with guests");
    assert!(cards.text.contains("break-after: page"));
    assert!(cards.text.contains(&name(1)) && cards.text.contains("&lt;b&gt;Bea&lt;/b&gt; Cruz"));
    assert!(!cards.text.contains("<b>Bea"));

    hall.choose(&anyone, &token, "T2").await?.expect(201)?;
    sql.run("update gala.move set at = at - interval '3 hours' where to_table = 'T1'").await?;
    let stats = hall.owner().get(hall.path("/stats")).await?.expect(200)?;
    assert_eq!((&stats["guests"], &stats["seated"]), (&json!(4), &json!(3)));
    assert_eq!((&stats["chairs"], &stats["free"]), (&json!(12), &json!(9)));
    let past: Vec<&Value> =
        stats["occupancy"].as_array().context("occupancy")?.iter().map(|h| &h["seated"]).collect();
    assert_eq!(past, [&json!(2), &json!(3)]);
    assert_eq!(stats["tables"].as_array().context("tables")?.len(), 3);
    let liked = stats["tables"].as_array().context("tables")?.iter();
    let left = liked.clone().find(|one| one["table"] == "T1").context("T1")?;
    assert_eq!((&left["chosen"], &left["left"]), (&json!(2), &json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_captain_fills_one_table_and_no_other() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 8).await?;
    let anyone = bed.anyone();
    let named = json!({"table": "T1", "name": "Cap Tain", "email": "cap@example.org"});
    let link = hall.owner().post(hall.path("/captains"), named).await?.expect(201)?;
    let captain = text(&link, "/token")?;
    let post = |path: &str, body: Value| {
        anyone.post(hall.path(path), body).header("Captain-Token", &captain)
    };
    let stranger = hall.token(&anyone, [1]).await?;
    hall.choose(&anyone, &stranger, "T1").await?.refused(409, "gala.table_kept")?;
    assert_eq!(hall.table(&anyone, "T1").await?["kept"], true);

    let filled = post("/captain/guests", json!({"tickets": pairs([2, 3])})).await?.expect(200)?;
    assert_eq!(filled["guests"][0]["table"], "T1");
    let wrong = json!({"tickets": [{"number": number(4), "name": "Nobody Here"}]});
    post("/captain/guests", wrong).await?.refused(422, "gala.tickets_refused")?;
    let invited = post("/captain/invitations", json!({"seats": 2, "email": "ana@example.org"}));
    let invited = invited.await?.expect(201)?;
    let code = text(&invited, "/code")?;
    let too_many = post("/captain/invitations", json!({"seats": 3})).await?;
    too_many.refused(409, "gala.tables_too_small")?;
    let with = |table: &str, code: &str| {
        let body = json!({"table": table, "invitation": code});
        anyone.post(hall.path("/assignments"), body).header("Guest-Token", &stranger)
    };
    with("T1", "AAAABBBBCCCC").await?.refused(403, "gala.no_invitation")?;
    with("T1", &code.to_lowercase()).await?.expect(201)?;
    let three = hall.token(&anyone, [4, 5]).await?;
    let body = json!({"table": "T1", "invitation": code});
    let used = anyone.post(hall.path("/assignments"), body).header("Guest-Token", &three);
    used.await?.refused(403, "gala.no_invitation")?;

    let seen = anyone.get(hall.path("/captain")).header("Captain-Token", &captain);
    let seen = seen.await?.expect(200)?;
    assert_eq!(seen["guests"].as_array().context("guests")?.len(), 3);
    assert_eq!(seen["invitations"][0]["used"], 1);
    assert_eq!(seen["invitations"][0]["code"], Value::Null, "it is shown once");
    hall.seat(&anyone, [6], "T2").await?;
    let elsewhere = post("/captain/release", json!({"guests": [hall.id(6).await?]})).await?;
    elsewhere.refused(409, "gala.not_at_this_table")?;
    let taken = post("/captain/guests", json!({"tickets": pairs([6])})).await?;
    taken.refused(409, "gala.already_seated")?;
    post("/captain/release", json!({"guests": [hall.id(2).await?]})).await?.expect(200)?;
    assert_eq!(hall.places([1, 2, 3, 6]).await?, ["T1", "-", "T1", "T2"]);
    post("/captain/open", json!({})).await?.expect(200)?;
    hall.choose(&anyone, &three, "T1").await?.expect(201)?;

    let dismissed = json!({"table": "T1"});
    hall.owner().post(hall.path("/captains/dismiss"), dismissed).await?.expect(204)?;
    let over = anyone.get(hall.path("/captain")).header("Captain-Token", &captain).await?;
    over.refused(403, "gala.no_captain")?;
    check_chairs(&bed.sql().await?).await
}

#[tokio::test]
async fn a_person_who_is_erased_leaves_no_wishes() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 2).await?;
    let (anyone, sql, person) = (bed.anyone(), bed.sql().await?, bed.person().await?);
    let mine =
        format!("update tickets.ticket set email = '{}' where number = 'G-0001'", person.email());
    sql.run(&mine).await?;
    let session = hall.open(&anyone, pairs([1, 2])).await?.expect(201)?;
    let token = text(&session, "/token")?;
    let wishes = json!({"dietary": ["coeliac"], "note": "allergic", "accessible": true});
    let guest =
        |n: usize| json!({"guest": session["party"]["guests"][n]["id"], "preferences": wishes});
    let body = json!({"guests": [guest(0), guest(1)]});
    let set = anyone.put(hall.path("/preferences"), body).header("Guest-Token", &token);
    set.await?.expect(200)?;
    hall.choose(&anyone, &token, "T1").await?.expect(201)?;
    let body = json!({"email": person.email()});
    person.post("/api/v1/me/erase", body).await?.expect(204)?;
    let guests = hall.guests("").await?;
    assert_eq!(guests[0]["preferences"], json!({"accessible": false, "children": 0}));
    assert_eq!(guests[0]["table"], "T1", "the chair stays");
    assert_eq!(guests[1]["preferences"]["note"], "allergic", "another person's is their own");
    let told = "select count(*) from log.venue_event where data::text like '%allergic%'
        and entity_id = (select id from tickets.ticket where number = 'G-0001')";
    assert_eq!(sql.value::<i64>(told, &[]).await?, 0, "nor do the events tell them");
    Ok(())
}

#[tokio::test]
async fn two_slices_never_give_out_one_chair() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::in_house(bed.house().await?, blocks(1, 4)).await?;
    hall.issue(&bed.sql().await?, 1, 4).await?;
    let anyone = bed.anyone();
    hall.sale.hold(hall.owner(), &["T1-1"]).await?.expect(201)?;
    let keep = json!({"seats": ["T1-2"]});
    hall.owner().post(hall.sale.path("/withhold"), keep).await?.expect(200)?;
    assert_eq!(hall.table(&anyone, "T1").await?["free"], 2);
    let token = hall.token(&anyone, [1, 2, 3]).await?;
    hall.choose(&anyone, &token, "T1").await?.refused(409, "gala.table_full")?;
    let two = hall.seat(&anyone, [1, 2], "T1").await?;
    let best = json!({"best": {"quantity": 1}});
    let none = hall.owner().post(hall.sale.path("/holds"), best).await?;
    none.refused(409, "booking.not_enough_seats")?;
    let smaller = json!({"plan": {"categories": [{"code": "gala", "name": "Gala",
        "price": {"amount": 1, "currency": "EUR"}}], "blocks": [{"name": "T2", "kind": "table",
        "mode": "any_seat", "category": "gala", "seats": 4}]}});
    let laid = hall.owner().put(hall.sale.path("/layout"), smaller).await?;
    laid.refused(409, "booking.seats_in_use")?;
    let leave = anyone.delete(hall.path("/assignments")).header("Guest-Token", &two);
    leave.await?.expect(204)?;
    hall.sale.book(hall.owner(), &["T1-3", "T1-4"]).await?.expect(201)?;
    check_chairs(&bed.sql().await?).await
}
