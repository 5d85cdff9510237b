//! A request that is repeated does nothing twice.

use anyhow::Result;
use serde_json::json;
use testkit::Bed;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, live_claims};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_sent_20_times_at_once_makes_one_booking() -> Result<()> {
    let bed = Bed::start(3).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let mut repeats = JoinSet::new();
    for n in 0..20 {
        let ask = sale.book(&ana.at(n % 3), &["T1-1", "T1-2"]).key("key-of-the-same-booking");
        repeats.spawn(ask.settled());
    }
    let answers: Vec<_> = repeats.join_all().await.into_iter().collect::<Result<_>>()?;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.text, answers[0].text, "every repeat gets the first answer");
    }
    let replayed =
        answers.iter().filter(|answer| answer.header("Idempotency-Replayed") == Some("true"));
    assert_eq!(replayed.count(), 19);
    assert_eq!(sql.value::<i64>("select count(*) from booking.booking", &[]).await?, 1);
    assert_eq!(live_claims(&sql).await?, 2);

    let other = sale.book(&ana, &["T1-3"]).key("key-of-the-same-booking").await?;
    other.refused(422, "key_reused")?;
    let elsewhere = ana.post(sale.path("/holds"), json!({"seats": ["T1-4"]}));
    elsewhere.key("key-of-the-same-booking").await?.refused(422, "key_reused")?;
    let another_user = sale.book(bed.person().await?.client(), &["T1-5"]);
    another_user.key("key-of-the-same-booking").await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_refusal_that_was_decided_is_replayed() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let (ana, ben) = (bed.person().await?, bed.person().await?);
    let hold = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    let refused = sale.hold(&ben.at(0), &["T1-1"]).key("ben-wants-one").await?;
    refused.refused(409, "booking.seats_taken")?;
    assert_eq!(refused.header("Idempotency-Replayed"), None);
    let release = sale.house.path(&format!("/holds/{}", crate::sale::text(&hold, "/id")?));
    let token = crate::sale::text(&hold, "/token")?;
    ana.delete(release).header("Hold-Token", &token).await?.expect(204)?;

    let again = sale.hold(&ben.at(1), &["T1-1"]).key("ben-wants-one").await?;
    // The seat is free now; the key keeps its answer, in the words of this request.
    again.refused(409, "booking.seats_taken")?;
    assert_ne!(again.json["requestId"], refused.json["requestId"]);
    assert_eq!(again.json["current"], refused.json["current"]);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    sale.hold(&ben, &["T1-1"]).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_broken_request_does_not_use_its_key_up() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let ana = bed.person().await?;
    let broken = ana.post(sale.path("/holds"), json!({"seats": []})).key("ana-begins");
    broken.await?.refused(422, "invalid")?;
    sale.hold(&ana, &["T1-1"]).key("ana-begins").await?.expect(201)?;
    Ok(())
}
