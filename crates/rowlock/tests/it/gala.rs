//! What guests of a gala do: tickets, session, table, confirmation.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket, Sql};

use crate::accounts_mail::Outbox;
use crate::gala_hall::{Hall, check_chairs, name, number, pairs};
use crate::sale::{Sale, blocks, text};

#[tokio::test]
async fn a_party_shows_its_tickets_and_sits_at_one_table() -> Result<()> {
    let bed = Bed::start(2).await?;
    let hall = Hall::of(&bed, (3, 4), 5).await?;
    let anyone = bed.anyone();
    let typed = json!([
        {"number": "g0001", "name": "lopes  0001 ANA"},
        {"number": " G 0002 ", "name": "Ana Lopes 0002"},
        {"number": "G-0003", "name": name(3)},
    ]);
    let session = hall.open(&anyone, typed).await?.expect(201)?;
    let token = text(&session, "/token")?;
    assert_eq!(session["party"]["guests"].as_array().context("guests")?.len(), 3);
    let tables =
        anyone.get(hall.path("/tables")).header("Guest-Token", &token).await?.expect(200)?;
    assert_eq!(tables["tables"][0]["fits"], true);
    assert_eq!(
        tables["tables"][0]["names"],
        Value::Null,
        "names are shown only where the show says so"
    );
    let early = anyone.get(hall.path("/confirmation")).header("Guest-Token", &token).await?;
    early.refused(409, "gala.not_seated")?;

    let seated = hall.choose(&anyone, &token, "T2").await?.expect(201)?;
    assert_eq!(seated["tables"], json!(["T2"]));
    assert_eq!(seated["guests"][2]["chair"], "T2-3");
    let table = hall.table(&anyone, "T2").await?;
    assert_eq!((&table["chairs"], &table["free"]), (&json!(4), &json!(1)));
    let taken = hall.sale.hold(hall.owner(), &["T2-1"]).await?;
    taken.refused(409, "booking.seats_taken")?;
    assert_eq!(taken.json["current"]["seats"][0]["status"], "sold");
    assert_eq!(hall.sale.map(&anyone).await?.seats["T2-1"], "sold");

    let get = |path: &str| anyone.get(hall.path(path)).header("Guest-Token", &token);
    let confirmed = get("/confirmation").await?.expect(200)?;
    assert_eq!(confirmed, seated);
    let qr = get("/confirmation/qr").await?;
    assert!(qr.status == 200 && qr.text.starts_with("<svg"), "{}", qr.text);
    let png = get("/confirmation/qr").header("Accept", "image/png").await?;
    assert_eq!(png.header("Content-Type"), Some("image/png"));
    let calendar = get("/confirmation/calendar").await?;
    assert!(calendar.text.contains("LOCATION:Table T2\r\n"), "{}", calendar.text);

    let again = hall.open(&anyone, pairs([4, 1])).await?;
    again.refused(409, "gala.already_seated")?;
    assert_eq!(again.json["errors"][0]["pointer"], "/tickets/1");
    assert_eq!(again.json["current"]["seated"][0]["place"], "T2");
    check_chairs(&bed.sql().await?).await
}

#[tokio::test]
async fn a_party_changes_its_table_comes_back_and_leaves() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (3, 4), 5).await?;
    let anyone = bed.anyone();
    let token = hall.seat(&anyone, [1, 2], "T1").await?;
    let key = "the-same-key-twice";
    let first = hall.choose(&anyone, &token, "T3").key(key).await?;
    let again = hall.choose(&anyone, &token, "T3").key(key).await?;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (201, Some("true")));
    assert_eq!(first.json, again.json);
    assert_eq!(hall.places([1, 2]).await?, ["T3", "T3"]);
    assert_eq!(hall.table(&anyone, "T1").await?["free"], 4);
    // Another guest with the same key is another one.
    let other = hall.token(&anyone, [3]).await?;
    let theirs = hall.choose(&anyone, &other, "T3").key(key).await?.expect(201)?;
    assert_eq!(theirs["guests"][0]["number"], number(3).as_str());

    let body = json!({"tickets": pairs([2]), "resume": true});
    let back = anyone.post(hall.path("/session"), body).await?.expect(201)?;
    assert_eq!(back["party"]["guests"].as_array().context("guests")?.len(), 2);
    let back = text(&back, "/token")?;
    hall.choose(&anyone, &back, "T2").await?.expect(201)?;
    assert_eq!(hall.places([1, 2, 3]).await?, ["T2", "T2", "T3"]);
    let body = json!({"tickets": pairs([2, 3]), "resume": true});
    anyone.post(hall.path("/session"), body).await?.refused(409, "gala.several_parties")?;

    let leave = anyone.delete(hall.path("/assignments")).header("Guest-Token", &token);
    leave.await?.expect(204)?;
    assert_eq!(hall.places([1, 2]).await?, ["-", "-"]);
    assert_eq!(hall.sale.map(&anyone).await?.seats["T2-1"], "free");
    check_chairs(&bed.sql().await?).await
}

#[tokio::test]
async fn answers_say_which_pair_failed_and_why() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 5).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    hall.seat(&anyone, [5], "T2").await?;
    sql.run("update tickets.ticket set status = 'revoked' where number = 'G-0003'").await?;
    sql.run("update tickets.ticket set name = null where number = 'G-0004'").await?;
    let tickets = json!([
        {"number": number(1), "name": name(1)},
        {"number": number(2), "name": "Somebody Else"},
        {"number": number(3), "name": name(3)},
        {"number": number(4), "name": name(4)},
        {"number": "X-1", "name": name(1)},
    ]);
    let refused = hall.open(&anyone, tickets).await?;
    refused.refused(422, "gala.tickets_refused")?;
    let errors = refused.json["errors"].as_array().context("errors")?;
    let told: Vec<(&str, &str)> = errors
        .iter()
        .map(|e| (e["pointer"].as_str().unwrap_or(""), e["code"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        ("/tickets/1", "name_differs"),
        ("/tickets/2", "revoked"),
        ("/tickets/3", "unnamed"),
        ("/tickets/4", "unknown"),
    ];
    assert_eq!(told, expected);
    let seated = hall.open(&anyone, pairs([1, 5])).await?;
    seated.refused(409, "gala.already_seated")?;
    hall.open(&anyone, pairs([1, 1])).await?.refused(422, "invalid")?;
    Ok(())
}

/// Whoever has failed so often has failed five times more: their next wait outlasts a test.
async fn tire(sql: &Sql, subjects: &str, failures: i32) -> Result<()> {
    let more = "update gala.attempt set failures = failures + 5
        where subject like $1 || '%' and failures = $2";
    let tired = sql.execute(more, &[&subjects, &failures]).await?;
    anyhow::ensure!(tired == 1, "{tired} rows of {subjects} have failed {failures} times");
    Ok(())
}

#[tokio::test]
async fn whoever_guesses_waits_longer_and_longer_and_locks_nobody_out() -> Result<()> {
    let bed = Bed::start(2).await?;
    let hall = Hall::of(&bed, (2, 4), 4).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    let right =
        |from: &str, ticket| hall.open(&anyone, pairs([ticket])).header("X-Forwarded-For", from);
    let guess = async |from: &str, ticket, n: usize| {
        let tickets = json!([{"number": number(ticket), "name": format!("Guess {n}")}]);
        hall.open(&anyone, tickets).header("X-Forwarded-For", from).await
    };
    right("203.0.113.8", 1).await?.expect(201)?;
    // From here and from there: it is one ticket.
    for n in 0..10 {
        let from = ["203.0.113.7", "203.0.113.6"][n % 2];
        guess(from, 1, n).await?.refused(422, "gala.tickets_refused")?;
    }
    tire(&sql, "ticket:", 10).await?;
    guess("203.0.113.7", 1, 10).await?.refused(422, "gala.tickets_refused")?;
    let tired = guess("203.0.113.5", 1, 11).await?;
    tired.refused(429, "gala.too_many_attempts")?;
    assert!(tired.header("Retry-After").is_some());
    // What is right is not looked at either: an answer would tell.
    right("203.0.113.7", 1).await?.refused(429, "gala.too_many_attempts")?;
    right("203.0.113.7", 2).await?.expect(201)?;
    // Where they were let in before, strangers do not make them wait.
    right("203.0.113.8", 1).await?.expect(201)?;

    // Numbers that are not there are counted for the address.
    for n in 0..20 {
        guess("203.0.113.4", 900 + n, n).await?.refused(422, "gala.tickets_refused")?;
    }
    tire(&sql, "address:", 20).await?;
    guess("203.0.113.4", 920, 20).await?.refused(422, "gala.tickets_refused")?;
    right("203.0.113.4", 3).await?.refused(429, "gala.too_many_attempts")?;
    right("203.0.113.3", 3).await?.expect(201)?;
    let rows = "select count(*) from gala.attempt where subject like 'ticket:%'";
    assert_eq!(sql.value::<i64>(rows, &[]).await?, 3, "and have no rows of their own");

    // Many addresses guess at once: each has less patience, and who has not failed has all of it.
    sql.run("update gala.attempt set failures = 300 where subject like 'show:%'").await?;
    for n in 0..2 {
        guess("203.0.113.9", 4, n).await?.refused(422, "gala.tickets_refused")?;
    }
    sql.run("update gala.attempt set failures = 7 where failures = 2").await?;
    guess("203.0.113.9", 4, 2).await?.refused(422, "gala.tickets_refused")?;
    guess("203.0.113.9", 4, 3).await?.refused(429, "gala.too_many_attempts")?;
    right("203.0.113.10", 2).await?.expect(201)?;
    Ok(())
}

/// Guests who all come from one network address.
const HALL: usize = 60;

#[tokio::test]
async fn a_hall_behind_one_address_gets_in_and_each_name_stays_hard_to_guess() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (8, 10), HALL + 3).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    let ask = |ticket, name: String| {
        let tickets = json!([{"number": number(ticket), "name": name}]);
        hall.open(&anyone, tickets).header("X-Forwarded-For", "203.0.113.7")
    };
    let wrong = |ticket| ask(ticket, "Mistyped".into());
    // Ten mistype before anybody is in; then everybody does it once more.
    for ticket in 1..=10 {
        wrong(ticket).await?.refused(422, "gala.tickets_refused")?;
    }
    for ticket in 1..=HALL {
        wrong(ticket).await?.refused(422, "gala.tickets_refused")?;
        ask(ticket, name(ticket)).await?.expect(201)?;
    }
    // Among them is somebody who wants to know one name.
    for n in 0..10 {
        let answer = ask(HALL + 1, format!("Guess {n}")).await?;
        answer.refused(422, "gala.tickets_refused")?;
    }
    tire(&sql, "ticket:", 10).await?;
    wrong(HALL + 1).await?.refused(422, "gala.tickets_refused")?;
    ask(HALL + 1, name(HALL + 1)).await?.refused(429, "gala.too_many_attempts")?;
    ask(HALL + 2, name(HALL + 2)).await?.expect(201)?;

    // The control: where nobody was right, as many mistakes lock the others out; not those who are
    // in.
    sql.run("update gala.attempt set failures = 25 where subject like 'address:%'").await?;
    wrong(900).await?.refused(422, "gala.tickets_refused")?;
    ask(HALL + 3, name(HALL + 3)).await?.refused(429, "gala.too_many_attempts")?;
    ask(HALL + 2, name(HALL + 2)).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_full_table_names_the_nearest_that_fit() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (5, 4), 12).await?;
    let anyone = bed.anyone();
    hall.seat(&anyone, [1, 2], "T3").await?;
    hall.seat(&anyone, [3, 4, 5], "T2").await?;
    let body = json!({"tables": ["T4"], "reason": "Sponsors"});
    hall.owner().post(hall.path("/withhold"), body).await?.expect(200)?;
    let token = hall.token(&anyone, [6, 7, 8]).await?;
    let full = hall.choose(&anyone, &token, "T3").await?;
    full.refused(409, "gala.table_full")?;
    assert_eq!(full.json["current"]["table"]["free"], 2);
    let alternatives = full.json["current"]["alternatives"].as_array().context("alternatives")?;
    let names: Vec<&Value> = alternatives.iter().map(|table| &table["name"]).collect();
    assert_eq!(names, ["T1", "T5"]);
    assert_eq!(hall.places([6, 7, 8]).await?, ["-", "-", "-"], "nobody was seated");
    hall.choose(&anyone, &token, "T4").await?.refused(409, "gala.table_withheld")?;
    hall.choose(&anyone, &token, "T9").await?.refused(404, "gala.no_such_table")?;
    let tables =
        anyone.get(hall.path("/tables")).header("Guest-Token", &token).await?.expect(200)?;
    let fits: Vec<bool> = tables["tables"]
        .as_array()
        .context("tables")?
        .iter()
        .map(|table| table["fits"] == true)
        .collect();
    assert_eq!(fits, [true, false, false, false, true]);
    hall.owner().post(hall.path("/release"), json!({"tables": ["T4"]})).await?.expect(200)?;
    hall.choose(&anyone, &token, "T4").await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn after_the_deadline_only_staff_seat() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 4).await?;
    let anyone = bed.anyone();
    let token = hall.seat(&anyone, [1], "T1").await?;
    hall.set_up(json!({"closesAt": "2026-01-01T00:00:00Z"})).await?.expect(200)?;
    hall.choose(&anyone, &token, "T2").await?.refused(409, "gala.closed")?;
    hall.open(&anyone, pairs([2])).await?.refused(409, "gala.closed")?;
    let resumed = json!({"tickets": pairs([1]), "resume": true});
    anyone.post(hall.path("/session"), resumed).await?.expect(201)?;
    let get = anyone.get(hall.path("/confirmation")).header("Guest-Token", &token);
    assert_eq!(get.await?.expect(200)?["tables"], json!(["T1"]), "what was chosen can be seen");
    hall.moves(hall.owner(), &[(1, Some("T2"))]).await?.await?.expect(200)?;

    hall.set_up(json!({"opensAt": "2098-01-01T00:00:00Z"})).await?.expect(200)?;
    hall.choose(&anyone, &token, "T1").await?.refused(409, "gala.closed")?;
    hall.set_up(json!({"open": false})).await?.expect(200)?;
    hall.choose(&anyone, &token, "T1").await?.refused(409, "gala.closed")?;
    let stale = hall.set_up(json!({"version": 1})).await?;
    stale.refused(412, "gala.stale")?;
    assert_eq!(stale.json["current"]["open"], false);
    Ok(())
}

#[tokio::test]
async fn a_guest_token_is_for_its_party_and_show_alone() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 3).await?;
    let other = Hall::in_house(hall.sale.house.clone(), blocks(2, 4)).await?;
    let foreign = Hall::of(&bed, (2, 4), 0).await?;
    let anyone = bed.anyone();
    let token = hall.token(&anyone, [1]).await?;
    for elsewhere in [&other, &foreign] {
        elsewhere.choose(&anyone, &token, "T1").await?.refused(403, "gala.session_over")?;
        let tables = anyone.get(elsewhere.path("/tables")).header("Guest-Token", &token).await?;
        tables.refused(403, "gala.session_over")?;
    }
    let missing = anyone.post(hall.path("/assignments"), json!({"table": "T1"})).await?;
    missing.refused(400, "gala.token_missing")?;
    // Whoever shows a ticket last has the guest.
    hall.token(&anyone, [1, 2]).await?;
    hall.choose(&anyone, &token, "T1").await?.refused(403, "gala.session_over")?;
    let sql = bed.sql().await?;
    let last = hall.token(&anyone, [3]).await?;
    sql.run("update gala.session set expires_at = now()").await?;
    hall.choose(&anyone, &last, "T1").await?.refused(403, "gala.session_over")?;
    Ok(())
}

#[tokio::test]
async fn who_has_a_chair_by_a_booking_is_seated_and_keeps_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 2), 3).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    hall.sale.book(hall.owner(), &["T1-1"]).await?.expect(201)?;
    sql.run("update tickets.ticket set seat = 'T1-1' where number = 'G-0001'").await?;
    sql.run("update tickets.ticket set seat = 'Admission-7' where number = 'G-0002'").await?;
    let seated = hall.open(&anyone, pairs([1])).await?;
    seated.refused(409, "gala.already_seated")?;
    assert_eq!(seated.json["current"]["seated"][0]["place"], "T1-1");
    let token = hall.token(&anyone, [2, 3]).await?;
    let full = hall.choose(&anyone, &token, "T1").await?;
    full.refused(409, "gala.table_full")?;
    hall.choose(&anyone, &token, "T2").await?.expect(201)?;
    let guests = hall.guests("&table=T1").await?;
    assert_eq!((&guests[0]["chair"], &guests[0]["byBooking"]), (&json!("T1-1"), &json!(true)));
    let moved = hall.moves(hall.owner(), &[(1, Some("T2"))]).await?.await?;
    moved.refused(409, "gala.seated_by_booking")?;
    check_chairs(&sql).await
}

#[tokio::test]
async fn strangers_hear_of_tables_and_staff_of_guests() -> Result<()> {
    let bed = Bed::start(2).await?;
    let hall = Hall::of(&bed, (2, 4), 3).await?;
    hall.set_up(json!({"namesShown": true})).await?.expect(200)?;
    let (anyone, venue) = (bed.anyone(), hall.sale.house.venue().to_owned());
    let clerk = hall.sale.house.member("box_office").await?;
    let mut public = Socket::open(&bed.worker(0)?.address(), None).await?;
    public.listen(&venue, &["seats"], None).await?;
    let mut staff = Socket::open(&bed.worker(1)?.address(), clerk.token()).await?;
    staff.listen(&venue, &["bookings"], None).await?;
    let token = hall.token(&anyone, [1, 2]).await?;
    let confirmed = hall.choose(&anyone, &token, "T2").await?.expect(201)?;

    let is = |kind: &'static str| move |event: &Value| event["type"] == kind;
    let heard = |socket: &Socket, kind| socket.events().iter().filter(|e| is(kind)(e)).count();
    public.hear_until("tables changed", PATIENCE, |s| heard(s, "gala_tables_updated") == 1).await?;
    staff.hear_until("guests sat down", PATIENCE, |s| heard(s, "gala_guest_updated") == 2).await?;
    let told = public.events().iter().find(|e| is("gala_tables_updated")(e)).context("told")?;
    assert_eq!(
        told["data"]["tables"][0],
        json!({"name": "T2", "chairs": 4, "free": 2,
        "freeAccessible": 0, "withheld": false, "kept": false})
    );
    assert!(!format!("{:?}", public.events()).contains("Lópes"), "names are not for strangers");
    let told = staff.events().iter().find(|e| is("gala_guest_updated")(e)).context("told")?;
    assert_eq!(told["data"]["name"], name(1).as_str());
    assert_eq!(told["data"]["chair"], confirmed["guests"][0]["chair"]);
    let names = hall.table(&anyone, "T2").await?["names"].clone();
    assert_eq!(names, json!([name(1), name(2)]), "this show tells them to who looks");
    Ok(())
}

#[tokio::test]
async fn names_of_those_who_booked_are_told_like_those_of_guests() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 3).await?;
    let (anyone, sql, owner) = (bed.anyone(), bed.sql().await?, hall.owner());
    let names = async |table: &str| anyhow::Ok(hall.table(&anyone, table).await?["names"].clone());
    let booked = hall.sale.book(owner, &["T1-1", "T1-2"]).await?.expect(201)?;
    hall.sale.hold(owner, &["T2-1"]).await?.expect(201)?;
    assert_eq!(names("T1").await?, Value::Null, "this show does not tell them");
    hall.set_up(json!({"namesShown": true})).await?.expect(200)?;
    assert_eq!(names("T1").await?, json!(["Ana Lopes"]), "who has booked, once");
    assert_eq!(names("T2").await?, json!([]), "who holds a chair does not sit there");

    // With tickets each has the name on it, and a guest sits among them.
    sql.run("update tickets.ticket set seat = 'T1-1' where number = 'G-0001'").await?;
    hall.seat(&anyone, [3], "T1").await?;
    assert_eq!(names("T1").await?, json!([name(3), name(1), "Ana Lopes"]));
    sql.run("update tickets.ticket set status = 'revoked' where number = 'G-0001'").await?;
    assert_eq!(names("T1").await?, json!([name(3), "Ana Lopes"]));

    let path = hall.sale.house.path(&format!("/bookings/{}/cancel", text(&booked, "/id")?));
    owner.post(path, json!({})).await?.expect(200)?;
    assert_eq!(names("T1").await?, json!([name(3)]));
    hall.set_up(json!({"namesShown": false})).await?.expect(200)?;
    assert_eq!(names("T1").await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn one_mail_goes_to_each_party() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let hall = Hall::of(&bed, (3, 4), 4).await?;
    let (anyone, sql) = (bed.anyone(), bed.sql().await?);
    let addresses = "update tickets.ticket set email = 'guest-' || number || '@example.org'
        where number in ('G-0002', 'G-0003')";
    sql.run(addresses).await?;
    let token = hall.seat(&anyone, [1, 2, 3], "T1").await?;
    let mail = outbox.mail("guest-G-0002@example.org", "Your table", 1).await?;
    assert!(mail.contains("T1") && mail.contains("confirmation code"), "{mail}");
    assert!(mail.contains("gala.ics") && mail.contains("gala.png"), "{mail}");
    hall.choose(&anyone, &token, "T2").await?.expect(201)?;
    outbox.mail("guest-G-0002@example.org", "Your new table", 1).await?;
    let queued: i64 = sql.value("select count(*) from notify.mail", &[]).await?;
    assert_eq!(queued, 2, "one mail each time, whatever the party");
    hall.seat(&anyone, [4], "T2").await?;
    let queued: i64 = sql.value("select count(*) from notify.mail", &[]).await?;
    assert_eq!(queued, 2, "nobody of this party has an address");
    Ok(())
}

#[tokio::test]
async fn wishes_are_for_the_house_and_friends_find_each_other() -> Result<()> {
    let bed = Bed::start(1).await?;
    let hall = Hall::of(&bed, (2, 4), 3).await?;
    let anyone = bed.anyone();
    let one = hall.open(&anyone, pairs([1])).await?.expect(201)?;
    let other = hall.open(&anyone, pairs([2, 3])).await?.expect(201)?;
    let (token, code) = (text(&one, "/token")?, text(&other, "/party/code")?);
    let guest = text(&one, "/party/guests/0/id")?;
    let wish = |with: &str| {
        let wishes = json!({"dietary": ["Vegan"], "accessible": true, "children": 1,
            "note": " by the window "});
        let body = json!({"guests": [{"guest": guest, "preferences": wishes}], "with": with});
        anyone.put(hall.path("/preferences"), body).header("Guest-Token", &token)
    };
    wish("NOBODYIS").await?.refused(404, "gala.no_such_party")?;
    let spoken = format!("{}-{}", &code[..4], code[4..].to_lowercase());
    let party = wish(&spoken).await?.expect(200)?;
    assert_eq!(party["with"], code.as_str());
    assert_eq!(party["guests"][0]["preferences"]["note"], "by the window");
    let foreign = json!({"guests": [{"guest": other["party"]["guests"][0]["id"],
        "preferences": {}}]});
    let foreign = anyone.put(hall.path("/preferences"), foreign).header("Guest-Token", &token);
    foreign.await?.refused(404, "gala.no_such_guest")?;
    assert_eq!(hall.guests("&dietary=vegan").await?.len(), 1);
    assert_eq!(hall.guests("&accessible=true").await?.len(), 1);
    let stats = hall.owner().get(hall.path("/stats")).await?.expect(200)?;
    assert_eq!(stats["dietary"], json!([{"word": "vegan", "guests": 1}]));
    assert_eq!((&stats["children"], &stats["withOthers"]), (&json!(1), &json!(1)));
    Ok(())
}

#[tokio::test]
async fn a_show_without_a_gala_has_none() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(2, 4)).await?;
    let anyone = bed.anyone();
    for path in ["/gala", "/gala/tables"] {
        anyone.get(sale.path(path)).await?.refused(404, "gala.no_gala")?;
    }
    let body = json!({"tickets": pairs([1])});
    anyone.post(sale.path("/gala/session"), body).await?.refused(404, "gala.no_gala")?;
    let row =
        json!([{"name": "A", "kind": "row", "mode": "by_seat", "category": "gala", "seats": 4}]);
    let rows = Sale::of(sale.house.clone(), row.as_array().cloned().unwrap_or_default()).await?;
    let none = sale.house.owner().put(rows.path("/gala"), json!({})).await?;
    none.refused(404, "gala.no_such_table")?;
    Ok(())
}
