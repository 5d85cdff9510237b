//! A customer's visit, from the order to the cashier, and who sees what of it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket};

use crate::sale::text;
use crate::spa_house::{Placed, Spa, euro};

#[tokio::test]
async fn a_customer_goes_from_the_order_to_the_receipt() -> Result<()> {
    let bed = Bed::start(2).await?;
    let spa = Spa::of(&bed, 1).await?;
    let mai = spa.therapist("Mai").await?;
    let cashier = spa.house.member("cashier").await?;
    let feet = json!({"service": spa.service, "name": "30 minutes", "price": euro(3000),
        "minutes": 30});
    let owner = spa.house.owner();
    let feet = owner.post(spa.path("/catalogue/variants"), feet).await?.expect(201)?;
    let mut cart = spa.cart();
    cart["name"] = json!("Ana");
    cart["note"] = json!("A sore shoulder");
    let placed = bed.anyone().post(spa.path("/orders"), cart).await?.expect(201)?;
    assert_eq!(placed["order"]["code"], "A-001");
    assert_eq!(placed["quote"]["possible"], true);
    let order = Placed::of(&placed)?;
    let seen = order.follow(&bed, &spa).await?.expect(200)?;
    assert_eq!(seen["order"]["status"], "pending_therapist");
    assert_eq!((&seen["place"]["ahead"], &seen["order"]["name"]), (&json!(0), &json!("Ana")));

    let next = spa.next(&mai).await?.expect(200)?;
    assert_eq!((&next["outcome"], &next["order"]["id"]), (&json!("claimed"), &json!(order.id)));
    assert_eq!(next["order"]["note"], "A sore shoulder");
    assert_eq!(next["order"]["room"]["name"], "1");
    spa.next(&mai).await?.refused(409, "spa.busy")?;
    let step = |step: &str| spa.step(&mai, &order.id, step);
    step("call").await?.expect(200)?;
    step("start").await?.expect(200)?;
    step("undo-start").await?.expect(200)?;
    let started = step("start").await?.expect(200)?;
    assert_eq!(started["status"], "in_service");
    let items = spa.path(&format!("/orders/{}/items", order.id));
    let added = mai.post(&items, json!({"variant": feet["id"]})).await?.expect(200)?;
    assert_eq!((&added["total"], &added["minutes"]), (&euro(8000), &json!(90)));
    let first = text(&added, "/items/0/id")?;
    let removed = mai.delete(format!("{items}/{first}")).await?.expect(200)?;
    assert_eq!(removed["total"], euro(3000));
    let last = text(&removed, "/items/0/id")?;
    mai.delete(format!("{items}/{last}")).await?.refused(409, "spa.last_item")?;
    mai.delete(format!("{items}/{first}")).await?.refused(404, "spa.no_such_item")?;
    let seen = order.follow(&bed, &spa).await?.expect(200)?;
    assert_eq!(seen["order"]["total"], euro(3000), "the customer sees it");
    let finished = step("finish").await?.expect(200)?;
    assert_eq!(finished["status"], "finished");
    step("start").await?.refused(409, "spa.no_way")?;

    spa.pay(&cashier, &order.id, 5000).await?.refused(409, "spa.no_way")?;
    let next = cashier.post(spa.path("/queue/cashier/next"), json!({})).await?.expect(200)?;
    assert_eq!(next["order"]["id"], json!(order.id));
    spa.pay(&cashier, &order.id, 2999).await?.refused(422, "payments.too_little")?;
    let paid = spa.pay(&cashier, &order.id, 5000).await?.expect(201)?;
    assert_eq!(paid["payment"]["change"], euro(2000));
    let seen = order.follow(&bed, &spa).await?.expect(200)?;
    assert_eq!(seen["order"]["status"], "paid");
    spa.pay(&cashier, &order.id, 5000).await?.expect(409)?;
    spa.check_invariants().await
}

#[tokio::test]
async fn a_changed_price_comes_back_as_a_difference_to_accept() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let dearer = spa.path(&format!("/catalogue/variants/{}", spa.variant));
    spa.house.owner().patch(dearer, json!({"price": euro(5500)})).await?.expect(200)?;
    let refused = bed.anyone().post(spa.path("/orders"), spa.cart()).await?;
    refused.refused(409, "spa.cart_changed")?;
    let difference = &refused.json["current"];
    let item = json!({"variant": spa.variant, "seen": euro(5000), "now": euro(5500)});
    assert_eq!((&difference["items"], &difference["total"]), (&json!([item]), &euro(5500)));
    assert_eq!(bed.sql().await?.value::<i64>("select count(*) from spa.order", &[]).await?, 0);
    let accepted = json!({"items": difference["accept"]});
    let placed = spa.order_as(&bed, accepted).await?;
    assert_eq!(placed.code, "A-001", "what was refused took no code");
    assert_eq!(spa.look(&placed.id).await?["total"], euro(5500));
    Ok(())
}

#[tokio::test]
async fn the_secret_opens_its_own_order_and_no_other() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (spa, elsewhere) = (Spa::of(&bed, 1).await?, Spa::of(&bed, 1).await?);
    let (mine, other) = (spa.order(&bed).await?, spa.order(&bed).await?);
    let stranger = bed.person().await?;
    let get = |client: &testkit::Client, path: String, token: &str| {
        client.get(path).header("Order-Token", token)
    };
    let path = spa.path(&format!("/orders/{}", mine.id));
    get(&bed.anyone(), path.clone(), &mine.token).await?.expect(200)?;
    for token in [other.token.as_str(), "", "none"] {
        get(&bed.anyone(), path.clone(), token).await?.refused(404, "spa.no_such_order")?;
        get(&stranger, path.clone(), token).await?.refused(404, "spa.no_such_order")?;
    }
    bed.anyone().get(&path).await?.refused(404, "spa.no_such_order")?;
    let moved = elsewhere.path(&format!("/orders/{}", mine.id));
    get(&bed.anyone(), moved.clone(), &mine.token).await?.refused(404, "spa.no_such_order")?;
    elsewhere.house.owner().get(moved).await?.refused(404, "spa.no_such_order")?;
    let cancel = |order: &str, token: &str| {
        let ask = spa.step(&bed.anyone(), order, "cancel");
        ask.header("Order-Token", token)
    };
    cancel(&mine.id, &other.token).await?.refused(404, "spa.no_such_order")?;
    let cancelled = cancel(&mine.id, &mine.token).await?.expect(200)?;
    assert_eq!(cancelled["status"], "cancelled");
    let kept = "select count(*) from spa.order where token_hash = convert_to($1, 'UTF8')";
    assert_eq!(
        bed.sql().await?.value::<i64>(kept, &[&mine.token]).await?,
        0,
        "only a hash is kept"
    );
    Ok(())
}

#[tokio::test]
async fn a_customer_follows_the_order_and_the_wall_names_nobody() -> Result<()> {
    let bed = Bed::start(2).await?;
    let spa = Spa::of(&bed, 1).await?;
    let mai = spa.therapist("Mai").await?;
    let screen = spa.house.member("monitor").await?;
    let mut wall = Socket::open(&bed.worker(1)?.address(), screen.token()).await?;
    wall.listen(spa.house.venue(), &["monitor"], None).await?;
    let mut cart = spa.cart();
    cart["name"] = json!("Ana Secret");
    cart["note"] = json!("Note Secret");
    let order = spa.order_as(&bed, cart).await?;
    let topic = format!("order.{}", order.id);
    let mut phone = Socket::open(&bed.worker(0)?.address(), None).await?;
    let granted = phone.listen_with(spa.house.venue(), &[&topic], None, Some(&order.token)).await?;
    assert_eq!(granted["topics"], json!([topic]));
    spa.claim(&mai).await?;
    for step in ["call", "start", "finish"] {
        spa.step(&mai, &order.id, step).await?.expect(200)?;
    }
    let steps = ["order_claimed", "order_called", "order_started", "order_finished"];
    phone.hear_until("all steps", PATIENCE, |it| it.events().len() == steps.len()).await?;
    let heard: Vec<_> = phone.events().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(heard, steps.map(|step| json!(step)));
    assert_eq!(phone.events()[0]["data"]["room"]["name"], "1");
    wall.hear_until("all of it", PATIENCE, |it| it.events().len() == steps.len() + 1).await?;
    let shown = spa.path("/monitor");
    let monitor = screen.get(shown).await?.expect(200)?;
    assert_eq!(monitor["toPay"][0]["code"], json!(order.code));
    let queue = screen.get(spa.path("/queue/cashier")).await?.expect(200)?;
    let snapshot = screen.get(spa.path("/snapshot?topics=monitor")).await?.expect(200)?;
    assert_eq!(snapshot["monitor"]["toPay"][0]["code"], json!(order.code));
    let order_path = spa.path(&format!("/orders/{}", order.id));
    let by_screen = screen.get(order_path).await?.expect(200)?;
    for told in [json!(wall.events()), json!(phone.events()), monitor, queue, by_screen, snapshot] {
        let told = told.to_string();
        assert!(!told.contains("Secret"), "somebody is named: {told}");
    }
    let full = order.follow(&bed, &spa).await?.expect(200)?;
    assert_eq!(full["order"]["name"], "Ana Secret", "it is their own");
    Ok(())
}

#[tokio::test]
async fn waits_are_quoted_together_and_promises_are_kept_for_the_record() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let none = bed.anyone().post(spa.path("/orders"), spa.cart()).await?.expect(201)?;
    assert_eq!(none["quote"]["possible"], false, "nobody is on shift");
    let mai = spa.therapist("Mai").await?;
    spa.therapist("Noi").await?;
    spa.claim(&mai).await?;
    let second = bed.anyone().post(spa.path("/orders"), spa.cart()).await?.expect(201)?;
    let quote = &second["quote"];
    // Noi is free; the only room is not, for an hour.
    assert_eq!((&quote["therapistMinutes"], &quote["ahead"]), (&json!(0), &json!(0)));
    let room = quote["roomMinutes"].as_i64().context("no wait for a room")?;
    assert!((59..=60).contains(&room), "{quote}");
    let third = bed.anyone().post(spa.path("/orders"), spa.cart()).await?.expect(201)?;
    assert!(third["quote"]["fromMinutes"].as_i64() >= Some(115), "{third}");
    let path = spa.path("/monitor");
    let wall = spa.house.owner().get(&path).await?.expect(200)?;
    assert_eq!(wall["waiting"][1]["quote"]["ahead"], 1);
    assert!(wall["next"]["fromMinutes"].as_i64() >= Some(175), "{}", wall["next"]);
    let first = text(&none, "/order/id")?;
    spa.step(&mai, &first, "start").await?.expect(200)?;
    spa.step(&mai, &first, "finish").await?.expect(200)?;
    spa.step(&mai, &spa.claim(&mai).await?, "start").await?.expect(200)?;
    let wall = spa.house.owner().get(&path).await?.expect(200)?;
    let record = wall["record"].as_array().context("no record")?;
    let treatment = record.iter().find(|it| it["stage"] == "treatment").context("no promise")?;
    assert_eq!((&treatment["promises"], &treatment["kept"]), (&json!(1), &json!(1)));
    assert!(treatment["promisedSecs"].as_f64() > treatment["realSecs"].as_f64());
    Ok(())
}

#[tokio::test]
async fn a_line_has_an_end_and_a_cart_has_bounds() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    spa.set(json!({"lineMax": 2})).await?;
    spa.order(&bed).await?;
    spa.order(&bed).await?;
    bed.anyone().post(spa.path("/orders"), spa.cart()).await?.refused(409, "spa.line_full")?;
    let item = spa.cart()["items"][0].clone();
    for items in [Value::Array(Vec::new()), Value::Array(vec![item; 21])] {
        let cart = json!({"items": items});
        bed.anyone().post(spa.path("/orders"), cart).await?.refused(422, "invalid")?;
    }
    let someone = json!({"items": spa.cart()["items"], "therapist": spa.service});
    let asked = bed.anyone().post(spa.path("/orders"), someone).await?;
    asked.refused(409, "spa.therapist_unavailable")?;
    Ok(())
}
