//! A show from its layout to a cancelled booking.

use anyhow::Result;
use serde_json::json;
use testkit::{Bed, Socket};

use crate::booking_expiry::end_holds_in;
use crate::sale::{Sale, blocks, labels, text};

#[tokio::test]
async fn seats_are_held_booked_and_cancelled_and_everybody_hears_it() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(2, 3)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let before = sale.map(&bed.anyone()).await?;
    assert_eq!(before.seats.keys().cloned().collect::<Vec<_>>(), labels(2, 3));
    let mut staff = Socket::open(&bed.worker(0)?.address(), sale.house.owner().token()).await?;
    staff.listen(sale.house.venue(), &["seats", "shows", "bookings"], Some(&before.pos)).await?;
    let mut public = Socket::open(&bed.worker(1)?.address(), None).await?;
    let granted =
        public.listen(sale.house.venue(), &["seats", "bookings"], Some(&before.pos)).await?;
    assert_eq!(granted["topics"], json!(["seats"]), "names are not for the public");

    let hold = sale.hold(&ana, &["T1-1", "T2-3"]).await?.expect(201)?;
    assert_eq!(hold["price"], json!({"amount": 24_000, "currency": "EUR"}));
    let body = json!({"hold": hold["id"], "token": hold["token"],
        "customer": {"name": "Ana Lopes", "email": "ana@example.org"}});
    let booking = ana.post(sale.path("/bookings"), body).await?.expect(201)?;
    assert_eq!(
        (&booking["status"], &booking["seats"]),
        (&json!("confirmed"), &json!(["T1-1", "T2-3"]))
    );
    let own = sale.house.path(&format!("/bookings/{}", text(&booking, "/id")?));
    let mine = ana.get("/api/v1/me/bookings").await?.expect(200)?;
    assert_eq!(mine["items"], json!([booking]));
    let cancelled = ana.post(format!("{own}/cancel"), json!({})).await?.expect(200)?;
    assert_eq!((&cancelled["status"], &cancelled["version"]), (&json!("cancelled"), &json!(2)));
    ana.post(format!("{own}/cancel"), json!({})).await?.refused(409, "booking.booking_over")?;

    let after = sale.map(&bed.anyone()).await?;
    assert_eq!(after.seats, before.seats, "all seats are free again");
    let end = after.seq()?;
    for socket in [&mut staff, &mut public] {
        socket.hear_until("the cancelling", testkit::PATIENCE, |s| s.seq() >= end).await?;
        socket.check_against(&sql).await?;
    }
    let told = |socket: &Socket| -> Vec<String> {
        socket.events().iter().filter_map(|event| text(event, "/action").ok()).collect()
    };
    assert_eq!(told(&staff), ["held", "booked", "created", "cancelled", "cancelled"]);
    assert!(public.events().iter().all(|event| !event.to_string().contains("Ana")));
    Ok(())
}

#[tokio::test]
async fn a_hold_is_extended_up_to_its_end_and_released() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 3)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let hold = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    let (path, token) =
        (sale.house.path(&format!("/holds/{}", text(&hold, "/id")?)), text(&hold, "/token")?);
    let extend = || ana.post(format!("{path}/extend"), json!({})).header("Hold-Token", &token);
    let longer = extend().await?.expect(200)?;
    assert!(text(&longer, "/expiresAt")? > text(&hold, "/expiresAt")?);
    assert_eq!(longer.get("token"), None, "the secret is shown once");
    sql.run("update booking.hold set ends_at = expires_at").await?;
    extend().await?.refused(409, "booking.hold_at_limit")?;
    let release = || ana.delete(&path).header("Hold-Token", &token);
    assert_eq!(release().await?.status, 204);
    assert_eq!(release().await?.status, 204, "what is over stays over");
    extend().await?.refused(410, "booking.hold_over")?;
    assert_eq!(sale.map(&ana).await?.seats["T1-1"], "free");
    Ok(())
}

#[tokio::test]
async fn a_customer_has_two_live_holds_and_staff_as_many_as_they_need() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, clerk) = (bed.person().await?, sale.house.member("box_office").await?);
    sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    sale.hold(&ana, &["T1-2"]).await?.expect(201)?;
    sale.hold(&ana, &["T1-3"]).await?.refused(409, "booking.too_many_holds")?;
    for seat in ["T1-3", "T1-4", "T1-5"] {
        sale.hold(&clerk, &[seat]).await?.expect(201)?;
    }
    end_holds_in(&bed.sql().await?, 0).await?;
    sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_seat_map_that_has_not_changed_is_not_sent_again() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let map = || bed.anyone().get(sale.path("/seats"));
    let first = map().await?;
    let tag = first.header("ETag").unwrap_or_default().to_owned();
    let again = map().header("If-None-Match", &tag).await?;
    assert_eq!((again.status, again.text.len()), (304, 0));
    let held = sale.hold(bed.person().await?.client(), &["T1-1"]).await?;
    let pos = held.header("Rowlock-Pos").unwrap_or_default().to_owned();
    let changed = map().header("If-None-Match", &tag).await?.expect(200)?;
    assert_eq!(text(&changed, "/pos")?, pos, "the write's position shows the write");
    Ok(())
}

#[tokio::test]
async fn house_seats_are_withheld_and_given_free() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 3)).await?;
    let (ana, owner) = (bed.person().await?, sale.house.owner());
    let seats = json!({"seats": ["T1-1"]});
    owner.post(sale.path("/withhold"), seats.clone()).await?.expect(200)?;
    let refused = sale.hold(&ana, &["T1-1"]).await?;
    refused.refused(409, "booking.seats_taken")?;
    assert_eq!(refused.json["current"], json!({"seats": [{"id": "T1-1", "status": "withheld"}]}));
    owner.post(sale.path("/release"), seats.clone()).await?.expect(200)?;
    sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    owner.post(sale.path("/withhold"), seats).await?.refused(409, "booking.seats_taken")?;
    Ok(())
}

#[tokio::test]
async fn a_cancelled_show_takes_its_bookings_with_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 3)).await?;
    let (ana, owner) = (bed.person().await?, sale.house.owner());
    let booking = sale.book(&ana, &["T1-1"]).await?.expect(201)?;
    sale.hold(&ana, &["T1-2"]).await?.expect(201)?;
    owner.post(sale.path("/cancel"), json!({})).await?.expect(200)?;
    let path = sale.house.path(&format!("/bookings/{}", text(&booking, "/id")?));
    let found = ana.get(path).await?.expect(200)?;
    assert_eq!(found["status"], "cancelled");
    sale.hold(&ana, &["T1-3"]).await?.refused(409, "booking.not_on_sale")?;
    assert_eq!(crate::sale::live_claims(&bed.sql().await?).await?, 0);
    Ok(())
}

#[tokio::test]
async fn of_two_managers_the_one_who_saw_an_old_show_is_told() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let owner = sale.house.owner();
    let seen = owner.get(sale.path("")).await?;
    let tag = seen.header("ETag").unwrap_or_default().to_owned();
    let change = |name: &str| owner.patch(sale.path(""), json!({"name": name}));
    change("Spring Gala").header("If-Match", &tag).await?.expect(200)?;
    let late = change("Summer Gala").header("If-Match", &tag).await?;
    late.refused(412, "booking.stale")?;
    assert_eq!(late.json["current"]["name"], "Spring Gala");
    Ok(())
}
