//! Bookings that come with tickets, in the same transaction.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Person};

use crate::sale::{Sale, text};

async fn tickets(sale: &Sale, who: &Person, booking: &str) -> Result<Vec<Value>> {
    let path = sale.house.path(&format!("/bookings/{booking}/tickets"));
    let found = who.get(path).await?.expect(200)?;
    Ok(found["tickets"].as_array().context("no tickets")?.clone())
}

fn seats(tickets: &[Value]) -> Vec<&str> {
    let mut seats: Vec<&str> = tickets.iter().filter_map(|it| it["seat"].as_str()).collect();
    seats.sort_unstable();
    seats
}

#[tokio::test]
async fn a_booking_has_a_ticket_for_each_seat_and_takes_them_along() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::gala(&bed).await?;
    let owner = sale.house.owner();
    let show = sale.house.path(&format!("/shows/{}", sale.show));
    let with_tickets = json!({"tickets": true});
    let early = owner.patch(&show, with_tickets.clone()).await?;
    early.refused(409, "tickets.no_types")?;
    let doors = json!({"name": "Winter Gala", "opensAt": "2020-01-01T00:00:00Z",
        "closesAt": "2099-03-01T00:00:00Z"});
    owner.put(format!("{show}/doors"), doors).await?.expect(200)?;
    let kind = json!({"name": "Standard"});
    owner.post(format!("{show}/ticket-types"), kind).await?.expect(201)?;
    owner.patch(&show, with_tickets).await?.expect(200)?;

    let (ana, eve) = (bed.person().await?, bed.person().await?);
    let booked = sale.book(&ana, &["T1-1", "T1-2"]).settled().await?.expect(201)?;
    let id = text(&booked, "/id")?;
    let issued = tickets(&sale, &ana, &id).await?;
    assert_eq!(seats(&issued), ["T1-1", "T1-2"]);
    assert_eq!(issued[0]["name"], booked["customer"]["name"]);
    let foreign = eve.get(sale.house.path(&format!("/bookings/{id}/tickets"))).await?;
    foreign.refused(404, "booking.no_such_booking")?;
    // Through another worker, by a hold, and the code opens the door.
    let list = owner.post(format!("{show}/lists"), json!({"name": "Main"})).await?.expect(201)?;
    let scanner = sale.house.member("scanner").await?;
    let scan = |code: &Value| {
        let body = json!({"nonce": uuid::Uuid::new_v4(), "list": list["id"], "code": code});
        scanner.at(1).post(sale.house.path("/scans"), body).without_key()
    };
    assert_eq!(scan(&issued[0]["code"]).await?.expect(200)?["verdict"], "admit");

    let clerk = sale.house.member("box_office").await?;
    let path = sale.house.path(&format!("/bookings/{id}"));
    let moved = json!({"seats": ["T1-2", "T2-1"]});
    clerk.post(format!("{path}/move"), moved).await?.expect(200)?;
    assert_eq!(seats(&tickets(&sale, &ana, &id).await?), ["T1-2", "T2-1"]);
    clerk.patch(&path, json!({"name": "Maria"})).await?.expect(200)?;
    let renamed = tickets(&sale, &clerk, &id).await?;
    assert!(renamed.iter().all(|ticket| ticket["name"] == "Maria"), "{renamed:?}");

    ana.post(format!("{path}/cancel"), json!({})).await?.expect(200)?;
    assert_eq!(tickets(&sale, &ana, &id).await?, Vec::<Value>::new(), "none counts");
    let refused = scan(&issued[1]["code"]).await?.expect(200)?;
    assert_eq!((&refused["verdict"], &refused["reason"]), (&json!("deny"), &json!("revoked")));
    Ok(())
}
