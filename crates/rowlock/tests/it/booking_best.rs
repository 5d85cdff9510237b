//! The best available seats, any of a table, whole tables.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::Bed;

use crate::sale::{Sale, blocks, text};

/// `count` rows of `seats`, R1 to R{count}.
pub(crate) fn rows(count: usize, seats: usize) -> Vec<Value> {
    let row = |n| {
        json!({"name": format!("R{n}"), "kind": "row", "mode": "by_seat", "category": "gala",
            "seats": seats})
    };
    (1..=count).map(row).collect()
}

/// Asks for the best `quantity`.
pub(crate) fn best(sale: &Sale, client: &testkit::Client, quantity: usize) -> testkit::Ask {
    client.post(sale.path("/holds"), json!({"best": {"quantity": quantity}}))
}

/// The seats of a hold.
pub(crate) fn seats(hold: &Value) -> Vec<String> {
    let seats = hold.get("seats").and_then(Value::as_array);
    seats.into_iter().flatten().filter_map(|seat| text(seat, "/id").ok()).collect()
}

fn is_best(hold: &Value, adjacent: bool, rows: u32) -> bool {
    let best = |part| hold.pointer(part);
    best("/best/adjacent") == Some(&adjacent.into()) && best("/best/rows") == Some(&rows.into())
}

#[tokio::test]
async fn the_best_seats_are_together_in_the_best_row_and_leave_nobody_alone() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(3, 10)).await?;
    let clerk = sale.house.member("box_office").await?;
    let mut given = Vec::new();
    for quantity in [4, 4, 3, 2] {
        let hold = best(&sale, &clerk, quantity).await?.expect(201)?;
        assert!(is_best(&hold, true, 1), "{hold}");
        assert_eq!(hold["best"]["singles"], 0);
        given.push(seats(&hold).join(" "));
    }
    let expected = ["R1-4 R1-5 R1-6 R1-7", "R2-4 R2-5 R2-6 R2-7", "R1-1 R1-2 R1-3", "R3-5 R3-6"];
    assert_eq!(given, expected, "two of the three at R1-8 would have left one alone");
    // What is left is 3 in R1, 3 and 3 in R2, 4 and 4 in R3.
    let hold = best(&sale, &clerk, 5).await?.expect(201)?;
    assert!(is_best(&hold, false, 1) && hold["best"]["groups"] == 2, "{hold}");
    let map = sale.map(&clerk).await?;
    assert_eq!(map.seats.values().filter(|status| *status == "held").count(), 18);
    best(&sale, &clerk, 10).await?.expect(201)?;
    best(&sale, &clerk, 3).await?.refused(409, "booking.not_enough_seats")?;
    let last = best(&sale, &clerk, 2).await?.expect(201)?;
    assert_eq!(seats(&last).len(), 2, "the last fit is never refused");
    Ok(())
}

#[tokio::test]
async fn the_best_are_of_the_block_category_and_focus_that_were_asked_for() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::draft(bed.house().await?, rows(1, 2)).await?;
    let owner = sale.house.owner();
    let category = |code: &str| {
        json!({"code": code, "name": code,
        "price": {"amount": 100, "currency": "EUR"}})
    };
    let row = |name: &str, category: &str, accessible: Value| {
        json!({"name": name, "kind": "row",
        "mode": "by_seat", "category": category, "seats": 9, "accessible": accessible})
    };
    let blocks = [
        row("A", "near", json!([])),
        row("B", "near", json!([1, 2])),
        row("C", "far", json!([])),
        json!({"name": "W", "kind": "table", "mode": "whole", "category": "far", "seats": 4}),
    ];
    let plan = json!({"categories": [category("near"), category("far")], "blocks": blocks,
        "focus": {"block": "B", "seat": 2}});
    owner.put(sale.path("/layout"), json!({"plan": plan})).await?.expect(200)?;
    owner.patch(sale.path(""), json!({"status": "on_sale"})).await?.expect(200)?;
    let ask = |wish: Value| owner.post(sale.path("/holds"), json!({"best": wish}));
    let got = async |wish: Value| anyhow::Ok(seats(&ask(wish).await?.expect(201)?).join(" "));
    assert_eq!(got(json!({"quantity": 2})).await?, "B-3 B-4", "B is best, its 1 and 2 are spared");
    assert_eq!(got(json!({"quantity": 2, "accessible": 1})).await?, "B-1 B-2");
    assert_eq!(got(json!({"quantity": 2, "category": "far"})).await?, "C-1 C-2");
    assert_eq!(got(json!({"quantity": 3, "block": "A"})).await?, "A-1 A-2 A-3");
    ask(json!({"quantity": 2, "accessible": 1})).await?.refused(409, "booking.not_enough_seats")?;
    ask(json!({"quantity": 1, "block": "Z"})).await?.refused(404, "booking.no_such_block")?;
    ask(json!({"quantity": 1, "block": "W"})).await?.refused(409, "booking.whole_only")?;
    Ok(())
}

#[tokio::test]
async fn any_seats_of_a_table_are_given_and_a_whole_table_is_sold_as_one() -> Result<()> {
    let bed = Bed::start(1).await?;
    let mut plan = blocks(2, 6);
    plan.push(json!({"name": "W", "kind": "table", "mode": "whole", "category": "gala",
        "seats": 12}));
    let sale = Sale::of(bed.house().await?, plan).await?;
    let (clerk, path) = (sale.house.member("box_office").await?, sale.path("/holds"));
    let any = |n: u32| clerk.post(&path, json!({"any": {"block": "T2", "quantity": n}}));
    let hold = any(4).await?.expect(201)?;
    assert!(seats(&hold).iter().all(|seat| seat.starts_with("T2-")) && is_best(&hold, true, 1));
    any(3).await?.refused(409, "booking.not_enough_seats")?;
    any(2).await?.expect(201)?;

    let whole = |names: Value| clerk.post(&path, json!({"whole": names}));
    whole(json!(["T1"])).await?.refused(409, "booking.not_whole")?;
    whole(json!(["W", "X"])).await?.refused(404, "booking.no_such_block")?;
    let hold = whole(json!(["W"])).await?.expect(201)?;
    assert_eq!(seats(&hold).len(), 12, "a table may have more seats than a hold of single seats");
    let again = whole(json!(["W"])).await?;
    again.refused(409, "booking.seats_taken")?;
    assert_eq!(again.json["current"]["seats"][0], json!({"id": "W-1", "status": "held"}));
    let book = json!({"hold": hold["id"], "token": hold["token"], "customer": {"name": "Ana"}});
    let booking = clerk.post(sale.path("/bookings"), book).await?.expect(201)?;
    assert_eq!(booking["seats"].as_array().map(Vec::len), Some(12));
    Ok(())
}

#[tokio::test]
async fn a_customer_has_two_live_holds_however_they_ask() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 10)).await?;
    let ana = bed.person().await?;
    best(&sale, &ana, 2).await?.expect(201)?;
    best(&sale, &ana, 2).await?.expect(201)?;
    best(&sale, &ana, 2).await?.refused(409, "booking.too_many_holds")?;
    Ok(())
}
