//! Whose turn it is, leases, and taking over.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use spa::rotation::{Turn, TurnKind, Why, replay};
use testkit::{Bed, Client, PATIENCE, Person, Sql, wait_until};

use crate::sale::text;
use crate::spa_house::{Spa, euro};

fn id(person: &Person) -> Result<String> {
    text(person.user(), "/id")
}

/// All leases end now.
async fn end_leases(sql: &Sql) -> Result<()> {
    sql.run("update spa.order set lease_until = clock_timestamp() where lease_until is not null")
        .await
}

async fn wait_for_status(spa: &Spa, order: &str, status: &str) -> Result<Value> {
    wait_until(&format!("the order is {status}"), PATIENCE, async || {
        let seen = spa.look(order).await?;
        Ok((seen["status"] == status).then_some(seen))
    })
    .await
}

#[tokio::test]
async fn the_longest_waiting_is_served_first_by_whoever_can() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 4).await?;
    let owner = spa.house.owner();
    let service = json!({"category": text(&catalogue(&spa).await?, "/categories/0/id")?,
        "name": "Laser", "skills": ["laser"], "roomNeeds": ["laser"]});
    let service = owner.post(spa.path("/catalogue/services"), service).await?.expect(201)?;
    let variant =
        json!({"service": service["id"], "name": "Once", "price": euro(100), "minutes": 10});
    let variant = owner.post(spa.path("/catalogue/variants"), variant).await?.expect(201)?;
    let laser = json!({"items": [{"variant": variant["id"], "price": euro(100)}]});
    let (mai, ben) = (spa.therapist("Mai").await?, spa.therapist("Ben").await?);
    let learnt = json!({"name": "Ben", "skills": ["laser", "thai"]});
    let ben_path = spa.path(&format!("/therapists/{}", id(&ben)?));
    owner.put(ben_path, learnt).await?.expect(200)?;
    let mut asks_ben = spa.cart();
    asks_ben["therapist"] = json!(id(&ben)?);

    let first = spa.order_as(&bed, laser).await?;
    let second = spa.order_as(&bed, asks_ben).await?;
    let third = spa.order(&bed).await?;
    assert_eq!(spa.claim(&mai).await?, third.id, "not learnt, asked for another, then hers");
    // The laser has no room, and does not stop who stands behind it.
    assert_eq!(spa.claim(&ben).await?, second.id);
    for step in ["start", "finish"] {
        spa.step(&ben, &second.id, step).await?.expect(200)?;
    }
    let none = spa.next(&ben).await?.expect(200)?;
    assert_eq!((&none["outcome"], &none["code"]), (&json!("no_room"), &json!(first.code)));
    let room = json!({"name": "L", "offers": ["bed", "laser"]});
    owner.post(spa.path("/rooms"), room).await?.expect(201)?;
    assert_eq!(spa.claim(&ben).await?, first.id);
    Ok(())
}

async fn catalogue(spa: &Spa) -> Result<Value> {
    spa.house.owner().get(spa.path("/catalogue?all=true")).await?.expect(200)
}

#[tokio::test]
async fn who_asked_for_somebody_who_went_home_is_anybodys() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let (mai, ben) = (spa.therapist("Mai").await?, spa.therapist("Ben").await?);
    let mut cart = spa.cart();
    cart["therapist"] = json!(id(&ben)?);
    let order = spa.order_as(&bed, cart).await?;
    assert_eq!(spa.next(&mai).await?.expect(200)?["outcome"], "nobody_waiting");
    spa.shift(&ben, "end").await?.expect(200)?;
    spa.next(&ben).await?.refused(409, "spa.not_on_shift")?;
    assert_eq!(spa.claim(&mai).await?, order.id);
    Ok(())
}

fn turn(json: &Value) -> Result<Turn> {
    let why: Why = serde_json::from_value(json["why"].clone())?;
    Ok(Turn {
        id: text(json, "/id")?.parse()?,
        at: text(json, "/at")?.parse()?,
        therapist_id: text(json, "/therapistId")?.parse()?,
        what: TurnKind::from_name(&text(json, "/what")?).context("unknown")?,
        order_id: None,
        turns: i32::try_from(json["turns"].as_i64().context("no turns")?)?,
        turn_at: None,
        why,
    })
}

/// The ledger, what the server makes of it, and the rotation as the rows have it.
async fn rotation(spa: &Spa) -> Result<(Vec<Turn>, Vec<String>, Vec<String>)> {
    let owner = spa.house.owner();
    let ledger = owner.get(spa.path("/turns")).await?.expect(200)?;
    let lines = ledger["items"].as_array().context("no lines")?;
    let played = ledger["rotation"].as_array().context("no rotation")?;
    let rows = owner.get(spa.path("/therapists")).await?.expect(200)?;
    let on_shift = rows["items"].as_array().context("no therapists")?.iter();
    let on_shift = on_shift.filter(|it| it["status"] != "off").map(|it| text(it, "/id"));
    Ok((
        lines.iter().map(turn).collect::<Result<_>>()?,
        played.iter().map(|it| text(it, "")).collect::<Result<_>>()?,
        on_shift.collect::<Result<_>>()?,
    ))
}

#[tokio::test]
async fn turns_are_fair_and_the_ledger_plays_to_the_same_rotation() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 5).await?;
    spa.set(json!({"turnSecs": 600})).await?;
    let mai = spa.therapist("Mai").await?;
    let (ben, kim) = (spa.therapist("Ben").await?, spa.therapist("Kim").await?);
    for it in [&mai, &ben, &kim] {
        assert_eq!(spa.next(it).await?.expect(200)?["outcome"], "nobody_waiting");
    }
    let one = spa.order(&bed).await?;
    let waits = spa.next(&kim).await?.expect(200)?;
    assert_eq!((&waits["outcome"], &waits["code"]), (&json!("not_your_turn"), &json!(one.code)));
    let may_at: jiff::Timestamp = text(&waits, "/expectedAt")?.parse()?;
    let placed_at: jiff::Timestamp = text(&spa.look(&one.id).await?, "/createdAt")?.parse()?;
    let secs = may_at.duration_since(placed_at).as_secs();
    assert_eq!(secs, 1200, "two come first, ten minutes each: {waits}");
    assert_eq!(spa.claim(&mai).await?, one.id);
    let two = spa.order(&bed).await?;
    assert_eq!(spa.next(&kim).await?.expect(200)?["outcome"], "not_your_turn");
    spa.shift(&ben, "break").await?.expect(200)?;
    spa.next(&ben).await?.refused(409, "spa.on_break")?;
    assert_eq!(spa.claim(&kim).await?, two.id, "whoever is on a break is passed over");
    spa.shift(&ben, "back").await?.expect(200)?;
    // A customer who does not come costs no turn; one who is handed back does.
    spa.step(&kim, &two.id, "call").await?.expect(200)?;
    spa.step(&kim, &two.id, "no-show").await?.expect(200)?;
    spa.step(&mai, &one.id, "hand-back").await?.expect(200)?;
    let lee = spa.therapist("Lee").await?;

    let (ledger, played, rows) = rotation(&spa).await?;
    assert_eq!(played, rows, "the ledger plays to what the rows say");
    let here: Vec<String> = replay(&ledger)?.iter().map(|it| it.therapist.to_string()).collect();
    assert_eq!(here, rows);
    assert_eq!(rows, [id(&ben)?, id(&kim)?, id(&lee)?, id(&mai)?]);
    let took: Vec<_> = ledger.iter().filter(|it| it.what == TurnKind::Took).collect();
    assert_eq!(took.len(), 2);
    assert!(took.iter().all(|it| it.why.ahead.is_empty() && it.why.waited_secs.is_some()));
    // After their time others may: Lee stands by, and the ledger says that Mai passed them.
    let sql = bed.sql().await?;
    assert_eq!(spa.next(&ben).await?.expect(200)?["outcome"], "claimed");
    assert_eq!(spa.next(&lee).await?.expect(200)?["outcome"], "nobody_waiting");
    spa.step(&ben, &one.id, "hand-back").await?.expect(200)?;
    assert_eq!(spa.next(&mai).await?.expect(200)?["outcome"], "not_your_turn");
    sql.run("update spa.order set waiting_since = waiting_since - interval '1 hour'").await?;
    assert_eq!(spa.next(&mai).await?.expect(200)?["outcome"], "claimed");
    let (ledger, ..) = rotation(&spa).await?;
    let last = ledger.iter().rfind(|it| it.what == TurnKind::Took).context("no turn")?;
    assert_eq!(last.therapist_id.to_string(), id(&mai)?);
    assert_eq!(last.why.ahead.iter().map(ToString::to_string).collect::<Vec<_>>(), [id(&lee)?]);
    Ok(())
}

#[tokio::test]
async fn a_phone_that_dies_gives_the_customer_back_in_the_old_place() -> Result<()> {
    let bed = Bed::start(2).await?;
    let spa = Spa::of(&bed, 2).await?;
    let (mai, ben) = (spa.therapist("Mai").await?, spa.therapist("Ben").await?);
    let (first, second) = (spa.order(&bed).await?, spa.order(&bed).await?);
    assert_eq!(spa.claim(&mai).await?, first.id);
    let kept = spa.step(&mai, &first.id, "heartbeat").await?.expect(200)?;
    assert!(kept["leaseUntil"].is_string());
    spa.step(&ben, &first.id, "heartbeat").await?.refused(403, "spa.not_yours")?;
    let sql = bed.sql().await?;
    end_leases(&sql).await?;
    let back = wait_for_status(&spa, &first.id, "pending_therapist").await?;
    assert_eq!((&back["therapist"], &back["room"]), (&Value::Null, &Value::Null));
    spa.step(&mai, &first.id, "start").await?.refused(409, "spa.no_way")?;
    assert_eq!(spa.claim(&ben).await?, first.id, "before those who came later");
    // Somebody who is being treated stays where they are, and a manager looks after it.
    spa.step(&ben, &first.id, "start").await?.expect(200)?;
    end_leases(&sql).await?;
    wait_until("it is unattended", PATIENCE, async || {
        Ok((spa.look(&first.id).await?["unattended"] == true).then_some(()))
    })
    .await?;
    assert_eq!(spa.look(&first.id).await?["status"], "in_service");
    let take = spa.path(&format!("/orders/{}/take-over", first.id));
    let to = json!({"therapist": id(&mai)?});
    ben.post(&take, to.clone()).await?.refused(403, "forbidden")?;
    let manager = spa.house.member("manager").await?;
    let taken = manager.post(&take, to).await?.expect(200)?;
    assert_eq!((&taken["unattended"], &taken["therapist"]["name"]), (&json!(false), &json!("Mai")));
    spa.step(&ben, &first.id, "finish").await?.refused(403, "spa.not_yours")?;
    spa.step(&mai, &first.id, "finish").await?.expect(200)?;
    assert_eq!(spa.claim(&ben).await?, second.id);
    spa.check_invariants().await?;
    let audited = "select count(*) from log.audit where action = 'order_taken_over'";
    assert_eq!(sql.value::<i64>(audited, &[]).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_cashier_who_is_gone_gives_the_customer_back_too() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 2).await?;
    let mai = spa.therapist("Mai").await?;
    let (one, two) = (spa.house.member("cashier").await?, spa.house.member("cashier").await?);
    let (first, second) = (spa.treated(&bed, &mai).await?, spa.treated(&bed, &mai).await?);
    let next = async |who: &Client| -> Result<Value> {
        let next = who.post(spa.path("/queue/cashier/next"), json!({})).await?.expect(200)?;
        Ok(next["order"]["id"].clone())
    };
    assert_eq!(next(&one).await?, json!(first.id));
    one.post(spa.path("/queue/cashier/next"), json!({})).await?.refused(409, "spa.busy")?;
    assert_eq!(next(&two).await?, json!(second.id));
    spa.pay(&two, &first.id, 5000).await?.refused(403, "spa.not_yours")?;
    end_leases(&bed.sql().await?).await?;
    wait_for_status(&spa, &first.id, "finished").await?;
    wait_for_status(&spa, &second.id, "finished").await?;
    spa.pay(&one, &first.id, 5000).await?.refused(409, "spa.no_way")?;
    assert_eq!(next(&two).await?, json!(first.id), "in the old place");
    spa.step(&two, &first.id, "hand-back").await?.expect(200)?;
    assert_eq!(next(&one).await?, json!(first.id));
    spa.pay(&one, &first.id, 5000).await?.expect(201)?;
    spa.check_invariants().await
}
