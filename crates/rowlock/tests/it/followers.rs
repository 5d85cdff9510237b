//! One order or booking, heard by whoever holds its secret and by nobody else.

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use kernel::event::Topic;
use kernel::ids::UserId;
use pg::Opener;
use serde_json::{Value, json};
use testkit::{Bed, House, PATIENCE, Socket};
use uuid::Uuid;

use crate::realtime::change_role;
use crate::sale::{Sale, text};
use crate::slice::Slice;

const SECRET: &str = "q8ZkR3n0fW1tYc7uJb5xHg";

fn sub(house: &House, topics: &[&str], secret: Option<&str>) -> Value {
    json!({"op": "sub", "venue": house.venue(), "topics": topics, "secret": secret})
}

/// The refusal of a subscription.
async fn refused(bed: &Bed, token: Option<&str>, frame: Value) -> Result<String> {
    let mut socket = Socket::open(&bed.worker(0)?.address(), token).await?;
    let refused = socket.request(frame).await.err().context("it was granted")?;
    Ok(refused.to_string())
}

#[tokio::test]
async fn a_secret_opens_one_order_to_somebody_without_an_account() -> Result<()> {
    let bed = Bed::with()
        .workers(2)
        .env("RUST_LOG", "info,edge=debug,pg=debug,realtime=debug,rowlock=debug")
        .start()
        .await?;
    let (house, elsewhere) = (bed.house().await?, bed.house().await?);
    let slice = Slice::of(&bed, &house)?;
    let [mine, other] = [Uuid::now_v7(), Uuid::now_v7()];
    slice.let_follow(Topic::Order, mine, Opener::Secret(SECRET)).await?;
    slice.let_follow(Topic::Order, other, Opener::Secret("of somebody else entirely")).await?;
    let (order, others) = (format!("order.{mine}"), format!("order.{other}"));

    let mut guest = Socket::open(&bed.worker(0)?.address(), None).await?;
    let asked = ["seats", "guests", &order, &others];
    let granted = guest.listen_with(house.venue(), &asked, None, Some(SECRET)).await?;
    assert_eq!(granted["topics"], json!(["seats", order]), "no more than it may");
    let mut owner = Socket::open(&bed.worker(1)?.address(), house.owner().token()).await?;
    owner.listen(house.venue(), &[], None).await?;
    for status in ["claimed", "in_service"] {
        slice.tell_order(other, status).await?;
        slice.tell_order(mine, status).await?;
    }
    guest.hear_until("both of its own", PATIENCE, |s| s.events().len() == 2).await?;
    let heard: Vec<_> = guest.events().iter().map(|event| event["order_id"].clone()).collect();
    assert_eq!(heard, [json!(mine), json!(mine)]);
    owner.hear_until("where the venue is", PATIENCE, |s| s.seq() == guest.seq()).await?;
    assert!(owner.events().is_empty(), "what is private is in no general topic");

    let mut again = Socket::open(&bed.worker(1)?.address(), None).await?;
    let since = text(&granted, "/pos")?;
    again.listen_with(house.venue(), &[&order], Some(&since), Some(SECRET)).await?;
    again.hear_until("what it missed", PATIENCE, |s| s.events().len() == 2).await?;
    assert_eq!(again.events(), guest.events());
    let page = bed.anyone().get(house.path(&format!("/events?after={since}&topics={order}")));
    let page = page.header("Follow-Secret", SECRET).await?.expect(200)?;
    assert_eq!(page["items"], json!(guest.events()));
    let page = bed.anyone().get(house.path(&format!("/events?after={since}&topics={order}")));
    assert_eq!(page.header("Follow-Secret", "a guess").await?.expect(200)?["items"], json!([]));

    for (frame, who) in [
        (sub(&house, &[&order], None), "nobody"),
        (sub(&house, &[&order], Some("a guess")), "a wrong secret"),
        (sub(&house, &[&others], Some(SECRET)), "the secret of another order"),
        (sub(&house, &[&format!("booking.{mine}")], Some(SECRET)), "another kind"),
        (sub(&elsewhere, &[&order], Some(SECRET)), "another venue"),
        (sub(&house, &["order.{id}", "order"], Some(SECRET)), "all orders"),
    ] {
        let told = refused(&bed, None, frame).await?;
        assert!(told.contains("forbidden") && !told.contains("retry\":true"), "{who}: {told}");
    }
    for worker in bed.workers() {
        assert!(!worker.log().contains(SECRET), "a secret is in the log of {}", worker.name());
    }
    Ok(())
}

#[tokio::test]
async fn a_booking_is_followed_by_its_secret_its_owner_and_the_box_office() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::gala(&bed).await?;
    let (ana, house) = (bed.person().await?, &sale.house);
    let booking = sale.book(&ana, &["T1-1"]).await?.expect(201)?;
    let id: Uuid = text(&booking, "/id")?.parse()?;
    let topic = format!("booking.{id}");
    let user: UserId = text(ana.user(), "/id")?.parse()?;
    let slice = Slice::of(&bed, house)?;
    slice.let_follow(Topic::Booking, id, Opener::Secret(SECRET)).await?;
    slice.let_follow(Topic::Booking, id, Opener::User(user)).await?;

    let address = bed.worker(0)?.address();
    let (clerk, scanner) = (house.member("box_office").await?, house.member("scanner").await?);
    let bob = bed.person().await?;
    let mut sockets = Vec::new();
    for (token, secret) in [(None, Some(SECRET)), (ana.token(), None), (clerk.token(), None)] {
        let mut socket = Socket::open(&address, token).await?;
        socket.listen_with(house.venue(), &[&topic], None, secret).await?;
        sockets.push(socket);
    }
    for token in [None, bob.token(), scanner.token()] {
        let told = refused(&bed, token, sub(house, &[&topic], None)).await?;
        assert!(told.contains("forbidden"), "{told}");
    }
    let snapshot = || bed.anyone().get(house.path(&format!("/snapshot?topics=seats,{topic}")));
    let open = snapshot().header("Follow-Secret", SECRET).await?.expect(200)?;
    assert_eq!(open["topics"], json!(["seats", topic]));
    assert_eq!(open["bookings"], json!([booking]));
    let shut = snapshot().header("Follow-Secret", "a guess").await?.expect(200)?;
    assert_eq!((&shut["topics"], shut.get("bookings")), (&json!(["seats"]), None));

    sale.book(&ana, &["T1-2"]).await?.expect(201)?;
    ana.post(house.path(&format!("/bookings/{id}/cancel")), json!({})).await?.expect(200)?;
    for socket in &mut sockets {
        socket.hear_until("the end of the booking", PATIENCE, |s| !s.events().is_empty()).await?;
        let [event] = socket.events() else { panic!("one event: {:?}", socket.events()) };
        assert_eq!(
            (&event["type"], &event["action"]),
            (&json!("booking_updated"), &json!("cancelled"))
        );
        assert_eq!(event["booking_id"], json!(id));
    }
    Ok(())
}

#[tokio::test]
async fn who_follows_by_a_role_loses_it_with_the_role() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let slice = Slice::of(&bed, &house)?;
    let (open, shut) = (Uuid::now_v7(), Uuid::now_v7());
    slice.let_follow(Topic::Order, open, Opener::Secret(SECRET)).await?;
    let gone = Timestamp::now() - SignedDuration::from_hours(1);
    slice.let_follow_until(Topic::Order, shut, Opener::Secret(SECRET), gone).await?;
    let (open, shut) = (format!("order.{open}"), format!("order.{shut}"));
    let told = refused(&bed, None, sub(&house, &[&shut], Some(SECRET))).await?;
    assert!(told.contains("forbidden"), "its time is over: {told}");

    let cashier = house.member("cashier").await?;
    let mut socket = Socket::open(&bed.worker(0)?.address(), cashier.token()).await?;
    let granted =
        socket.listen_with(house.venue(), &["seats", &open, &shut], None, Some(SECRET)).await?;
    assert_eq!(granted["topics"], json!(["seats", open, shut]), "a cashier sees all orders");
    change_role(&house, &cashier, Some("scanner")).await?;
    let left = json!(["seats", open]);
    socket
        .hear_until("what is left", PATIENCE, |s| json!(s.topics()) == left)
        .await
        .context("the secret still opens what it opened, the role nothing")
}
