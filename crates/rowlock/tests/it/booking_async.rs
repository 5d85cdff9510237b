//! `Prefer: respond-async`: what is done later is done once, whoever dies.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, ClusterOptions, PATIENCE, Server, Sql, wait_until};
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, labels, live_claims, text};

/// Longer than a piece of work stays with a worker that is dead.
const LATE: Duration = Duration::from_secs(40);

fn later(ask: Ask) -> Ask {
    ask.header("Prefer", "respond-async")
}

/// Where the outcome of an accepted request will be.
fn location(answer: &Answered) -> Result<String> {
    ensure!(answer.status == 202, "{} gave {}: {}", answer.asked, answer.status, answer.text);
    ensure!(answer.header("Preference-Applied") == Some("respond-async"), "{:?}", answer.headers);
    let location = answer.header("Location").context("no Location")?.to_owned();
    ensure!(location.ends_with(&text(&answer.json, "/id")?), "{location}");
    Ok(location)
}

/// The answer that the request would have got at once.
async fn outcome(client: &Client, location: &str) -> Result<Value> {
    wait_until("the outcome", LATE, async || {
        let answer = client.get(location).settled().await?;
        let queued = answer.header("Retry-After").is_some();
        let json = answer.expect(200)?;
        ensure!(queued == (json["status"] == "queued"), "{json}");
        Ok((json["status"] == "done").then(|| json["answer"].clone()))
    })
    .await
}

fn own_servers() -> testkit::BedOptions {
    Bed::with().own_servers(ClusterOptions::new().postgres().redis())
}

/// All workers are `status`: `ready` with Redis, `degraded` without.
async fn are(bed: &Bed, status: &str) -> Result<()> {
    wait_until(status, PATIENCE, async || {
        let mut all = true;
        for worker in 0..bed.workers().len() {
            let ready = bed.anyone().at(worker).get("/readyz").await?.expect(200)?;
            all &= ready["status"] == status;
        }
        Ok(all.then_some(()))
    })
    .await
}

/// No write on seats gets further until `commit`.
async fn stop_the_seats(sql: &Sql) -> Result<()> {
    sql.run("begin; select count(*) from (select from booking.seat for update) s").await
}

/// Writes that wait for a lock.
async fn waiting(sql: &Sql) -> Result<i64> {
    let waiting = "select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database()";
    sql.value(waiting, &[]).await
}

async fn open_requests(sql: &Sql) -> Result<i64> {
    sql.value("select count(*) from booking.request where done_at is null", &[]).await
}

fn keys(json: &Value) -> Vec<&String> {
    json.as_object().map(|object| object.keys().collect()).unwrap_or_default()
}

#[tokio::test]
async fn what_is_done_later_is_answered_as_at_once() -> Result<()> {
    let bed = Bed::start(2).await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, ben, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    let now = sale.hold(&ben, &["T1-9"]).await?.expect(201)?;

    let accepted = later(sale.hold(&ana.at(0), &["T1-1", "T1-2"])).await?;
    let held = outcome(&ana.at(1), &location(&accepted)?).await?;
    assert_eq!(held["status"], 201, "{held}");
    assert_eq!(keys(&held["body"]), keys(&now), "the same as at once");
    assert!(held["pos"].is_string());
    let best = json!({"best": {"quantity": 2}});
    let best = later(ben.post(sale.path("/holds"), best)).await?;
    assert_eq!(outcome(&ben, &location(&best)?).await?["status"], 201);
    let customer = json!({"name": "Ana Lopes"});
    let (hold, token) = (&held["body"]["id"], &held["body"]["token"]);
    let book = json!({"hold": hold, "token": token, "customer": customer});
    let accepted = later(ana.post(sale.path("/bookings"), book)).await?;
    let booked = outcome(&ana, &location(&accepted)?).await?;
    assert_eq!((&booked["status"], &booked["body"]["status"]), (&201.into(), &"confirmed".into()));
    let booking = sale.house.path(&format!("/bookings/{}", text(&booked, "/body/id")?));
    ana.get(booking).await?.expect(200)?;

    let taken = later(sale.hold(&ben, &["T1-1"])).await?;
    let path = location(&taken)?;
    let refused = outcome(&ben, &path).await?;
    let problem = &refused["body"];
    assert_eq!(
        (&refused["status"], &problem["code"]),
        (&409.into(), &"booking.seats_taken".into())
    );
    assert_eq!(problem["type"], "/problems/booking.seats_taken");
    assert_eq!(problem["current"]["seats"][0], json!({"id": "T1-1", "status": "sold"}));
    ana.get(path).await?.refused(404, "booking.no_such_request")?;
    later(ben.post(sale.path("/holds"), json!({"seats": []}))).await?.refused(422, "invalid")?;
    let kept = "select count(*) from booking.request where num_nonnulls(body, body_sealed) > 0";
    assert_eq!(
        sql.value::<i64>(kept, &[]).await?,
        0,
        "names and secrets stay no longer than needed"
    );
    Ok(())
}

/// The requests that hold any of these words, in any column.
async fn that_say(sql: &Sql, words: &[&str]) -> Result<i64> {
    let say = "select count(*) from booking.request r cross join unnest($1::text[]) as w(word)
        where to_jsonb(r)::text like '%' || w.word || '%'
           or position(convert_to(w.word, 'UTF8') in r.body_sealed) > 0";
    sql.value(say, &[&words]).await
}

#[tokio::test]
async fn what_waits_for_its_turn_is_sealed_in_the_table_and_gone_when_it_is_done() -> Result<()> {
    let bed = Bed::start(1).await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let (ana, ben, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    let held = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    let (hold, token) = (text(&held, "/id")?, text(&held, "/token")?);
    stop_the_seats(&sql).await?;
    let customer = json!({"name": "Ana Quilmes", "email": "quilmes@example.org"});
    let body = json!({"hold": hold, "token": token, "customer": customer});
    let booked = later(ana.post(sale.path("/bookings"), body)).await?;
    let body = json!({"seats": ["T1-1"], "customer": {"name": "Ben Quilmes"}});
    let refused = later(ben.post(sale.path("/bookings"), body)).await?;
    let words = ["Quilmes", "quilmes@example.org", &*token];
    let sealed =
        "select count(*) from booking.request where body is null and body_sealed is not null";
    assert_eq!((sql.value::<i64>(sealed, &[]).await?, that_say(&sql, &words).await?), (2, 0));
    // The control: a worker of the release before kept them as they came.
    let plain = json!({"operation": "bookSeats", "sent": {"token": token}}).to_string();
    let keep = "update booking.request set body = $1, body_sealed = null where operation = $2";
    sql.run("savepoint before").await?;
    sql.execute(keep, &[&plain, &"bookSeats"]).await?;
    assert_eq!(that_say(&sql, &words).await?, 2);
    sql.run("rollback to savepoint before; commit").await?;

    assert_eq!(outcome(&ana, &location(&booked)?).await?["status"], 201);
    let refused = outcome(&ben, &location(&refused)?).await?;
    assert_eq!(
        (&refused["status"], &refused["body"]["code"]),
        (&json!(409), &json!("booking.seats_taken"))
    );
    let left = "select count(*) from booking.request where num_nonnulls(body, body_sealed) > 0";
    assert_eq!((sql.value::<i64>(left, &[]).await?, that_say(&sql, &words).await?), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_is_one_request_and_one_booking() -> Result<()> {
    let bed = Bed::start(3).await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let mut repeats = JoinSet::new();
    for n in 0..12 {
        let ask = sale.book(&ana.at(n % 3), &["T1-1", "T1-2"]).key("key-of-the-same-booking");
        // One in three waits for it, and may be first.
        let ask = if n % 3 == 2 { ask } else { later(ask) };
        repeats.spawn(ask.settled());
    }
    let mut locations = Vec::new();
    for answer in repeats.join_all().await {
        let answer = answer?;
        match answer.status {
            201 => {}
            _ => locations.push(location(&answer)?),
        }
    }
    locations.dedup();
    assert_eq!(locations.len(), 1, "all are the same request");
    let booked = outcome(&ana, &locations[0]).await?;
    let again = sale.book(&ana, &["T1-1", "T1-2"]).key("key-of-the-same-booking").await?;
    assert_eq!(again.expect(201)?, booked["body"]);
    assert_eq!(sql.value::<i64>("select count(*) from booking.booking", &[]).await?, 1);
    assert_eq!(live_claims(&sql).await?, 2);
    let other = later(sale.book(&ana, &["T1-3"]).key("key-of-the-same-booking"));
    other.await?.refused(422, "key_reused")?;
    Ok(())
}

/// Everything that was accepted is done, each once: as many seats as were given.
async fn all_done(client: &Client, sql: &Sql, locations: &[String]) -> Result<()> {
    let mut given = 0;
    for location in locations {
        let answer = outcome(client, location).await?;
        assert_eq!(answer["status"], 201, "{answer}");
        given += 1;
    }
    assert_eq!(live_claims(sql).await?, given);
    let holds: i64 = sql.value("select count(*) from booking.hold", &[]).await?;
    assert_eq!((holds, open_requests(sql).await?), (given, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_worker_dies_with_work_in_its_hands_another_does_it() -> Result<()> {
    let bed = Bed::start(2).await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(4, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let lock = bed.sql().await?;
    stop_the_seats(&lock).await?;
    let mut locations = Vec::new();
    for label in labels(4, 10).iter().take(24) {
        locations.push(location(&later(sale.hold(&clerk.at(0), &[label])).settled().await?)?);
    }
    // Both have all hands full: what a worker works on waits for a seat in PostgreSQL.
    wait_until("both workers are at it", PATIENCE, async || {
        Ok((waiting(&sql).await? >= 5).then_some(()))
    })
    .await?;
    bed.worker(0)?.kill()?;
    lock.run("commit").await?;
    all_done(&clerk.at(1), &sql, &locations).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_forgets_is_done_all_the_same_and_without_it_all_is_done_at_once() -> Result<()>
{
    let bed = own_servers().workers(2).start().await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(4, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let (lock, all) = (bed.sql().await?, labels(4, 10));
    let Server::Own(cluster) = bed.server() else { bail!("it has its own servers") };
    let mut locations = Vec::new();
    for (part, forget) in all[..24].chunks(12).zip([true, false]) {
        stop_the_seats(&lock).await?;
        for label in part {
            locations.push(location(&later(sale.hold(&clerk, &[label])).settled().await?)?);
        }
        if forget {
            cluster.redis()?.ask(&["FLUSHALL"])?;
        } else {
            cluster.redis()?.kill()?;
        }
        lock.run("commit").await?;
        all_done(&clerk, &sql, &locations).await?;
    }
    are(&bed, "degraded").await?;
    let at_once = later(sale.hold(&clerk, &[&all[30]])).await?;
    assert_eq!(at_once.header("Preference-Applied"), None);
    at_once.expect(201)?;
    later(sale.hold(&clerk, &[&all[30]])).await?.refused(409, "booking.seats_taken")?;
    Ok(())
}

#[tokio::test]
async fn a_full_queue_says_so_and_takes_more_when_it_has_room() -> Result<()> {
    let bed = own_servers().start().await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let Server::Own(cluster) = bed.server() else { bail!("it has its own servers") };
    let key = format!("{}:work", bed.database().name());
    // In the hands of somebody who is gone: for five seconds nobody takes any of it away.
    let fill = "for n = 1, 10500 do redis.call('XADD', KEYS[1], '*', 'piece', 'nothing') end
        redis.pcall('XGROUP', 'CREATE', KEYS[1], 'workers', '0')
        redis.call('XREADGROUP', 'GROUP', 'workers', 'gone', 'COUNT', 10500, 'STREAMS', KEYS[1], '>')
        return 'full'";
    cluster.redis()?.ask(&["EVAL", fill, "1", &key])?;
    let full = later(sale.hold(&ana, &["T1-1"])).key("ana-wants-one-seat").await?;
    full.refused(503, "booking.queue_full")?;
    assert!(full.header("Retry-After").is_some());
    assert_eq!(sql.value::<i64>("select count(*) from booking.request", &[]).await?, 0);
    // Whoever would rather wait is served.
    sale.hold(&ana, &["T1-2"]).await?.expect(201)?;
    let limits = bed.anyone().get("/api/v1/limits").await?.expect(200)?;
    assert_eq!(limits["asyncRequests"], 10_000);
    let room = later(sale.hold(&ana, &["T1-1"])).key("ana-wants-one-seat").settled().await?;
    assert_eq!(outcome(&ana, &location(&room)?).await?["status"], 201);
    Ok(())
}

#[tokio::test]
async fn whoever_has_lost_their_right_meanwhile_is_refused() -> Result<()> {
    let bed = Bed::start(1).await?;
    are(&bed, "ready").await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, sql, lock) = (bed.person().await?, bed.sql().await?, bed.sql().await?);
    stop_the_seats(&lock).await?;
    location(&later(sale.hold(&ana, &["T1-1"])).settled().await?)?;
    // The first try gives up at the lock; what it was let in with does not count for the next.
    for some in [true, false] {
        wait_until("the first try", PATIENCE, async || {
            Ok(((waiting(&sql).await? > 0) == some).then_some(()))
        })
        .await?;
        let gone = "update identity.user set active = false, deactivated_by = 'operator'
            where email = '";
        sql.run(&format!("{gone}{}'", ana.email())).await?;
    }
    lock.run("commit").await?;
    let status = "select coalesce(max(refusal_status), 0)::int from booking.request";
    wait_until("the refusal", LATE, async || {
        Ok((sql.value::<i32>(status, &[]).await? == 401).then_some(()))
    })
    .await?;
    assert_eq!((live_claims(&sql).await?, open_requests(&sql).await?), (0, 0));
    Ok(())
}
