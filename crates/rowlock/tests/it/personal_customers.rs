//! A customer of the spa who has no account and asks at the desk to be forgotten.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Bed, PATIENCE, Sql, wait_until};

use crate::personal::tables_with;
use crate::personal_spa::still_right;
use crate::sale::text;
use crate::spa_house::{Placed, Spa, euro};

/// In everything that they and staff have written.
const NAME: &str = "Quillon";

/// A visit from the order to a refund, about which everybody has written something.
async fn visit(bed: &Bed, spa: &Spa) -> Result<Placed> {
    let (mai, desk) = (spa.therapist("Mai").await?, spa.house.owner());
    let mut cart = spa.cart();
    cart["name"] = json!(NAME);
    cart["note"] = json!(format!("{NAME} has a sore shoulder"));
    let placed = spa.order_as(bed, cart).await?;
    spa.claim(&mai).await?;
    for step in ["start", "finish"] {
        spa.step(&mai, &placed.id, step).await?.expect(200)?;
    }
    let path = |rest: &str| spa.path(rest);
    desk.post(path("/queue/cashier/next"), json!({})).await?.expect(200)?;
    let less = json!({"amount": euro(500), "reason": format!("{NAME} is a friend")});
    let discounts = path(&format!("/bills/order/{}/discounts", placed.id));
    desk.post(discounts, less).await?.expect(200)?;
    let paid = spa.pay(desk, &placed.id, 4_500).await?.expect(201)?;
    let refund = path(&format!("/payments/{}/refund", text(&paid, "/payment/id")?));
    let back = json!({"amount": euro(1_000), "reason": format!("{NAME} was cold")});
    desk.post(refund, back).await?.expect(201)?;
    Ok(placed)
}

async fn forgotten(sql: &Sql) -> Result<()> {
    wait_until("nothing tells of them", PATIENCE, async || {
        Ok(tables_with(sql, NAME).await?.is_empty().then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_without_an_account_is_forgotten_when_they_ask() -> Result<()> {
    let bed = Bed::start(2).await?;
    let (spa, elsewhere) = (Spa::of(&bed, 1).await?, Spa::of(&bed, 1).await?);
    let (sql, manager) = (bed.sql().await?, spa.house.member("manager").await?);
    let placed = visit(&bed, &spa).await?;
    // The control: without these the search would find nothing and prove nothing.
    let known = tables_with(&sql, NAME).await?;
    for table in ["spa.\"order\"", "payments.discount", "payments.refund", "payments.receipt"] {
        ensure!(known.iter().any(|found| found == table), "{table} is not in {known:?}");
    }
    let (path, seen) = (spa.path("/orders/erase"), spa.look(&placed.id).await?);
    let day = text(&seen, "/day")?;
    let by_code = json!({"code": placed.code.to_lowercase(), "day": day});

    let cashier = spa.house.member("cashier").await?;
    cashier.post(&path, by_code.clone()).await?.refused(403, "forbidden")?;
    let owner = elsewhere.house.owner();
    let other = owner.post(elsewhere.path("/orders/erase"), json!({"order": placed.id})).await?;
    other.refused(404, "spa.no_such_order")?;
    let wrong = json!({"code": placed.code, "day": "2001-01-01"});
    manager.post(&path, wrong).await?.refused(404, "spa.no_such_order")?;
    for half in [json!({}), json!({"code": placed.code}), json!({"order": placed.id, "day": day})] {
        manager.post(&path, half).await?.refused(422, "invalid")?;
    }
    ensure!(tables_with(&sql, NAME).await? == known, "what was refused has erased something");

    manager.post(&path, by_code).await?.expect(204)?;
    let order = spa.look(&placed.id).await?;
    ensure!(order.get("name").is_none() && order.get("note").is_none(), "at once: {order}");
    ensure!((&order["total"], &order["status"]) == (&seen["total"], &seen["status"]), "{order}");
    forgotten(&sql).await?;
    still_right(&spa.house).await?;
    let log = "select count(*) from log.audit where action = 'customer_erased' and actor = $1";
    let by: uuid::Uuid = text(manager.user(), "/id")?.parse()?;
    ensure!(sql.value::<i64>(log, &[&by]).await? == 1, "it is written down who did it");
    let verify = std::process::Command::new(testkit::binary()?)
        .args(["audit", "verify"])
        .env("DATABASE_URL", bed.database().url())
        .output()?;
    ensure!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));

    // Once more, by the id: there is nothing left to erase, and nothing is wrong with that.
    manager.post(&path, json!({"order": placed.id})).await?.expect(204)?;
    placed.follow(&bed, &spa).await?.expect(200)?;
    Ok(())
}

/// A worker that dies after it has answered leaves the rest to another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_worker_left_is_forgotten_by_another() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (spa, sql) = (Spa::of(&bed, 1).await?, bed.sql().await?);
    let placed = visit(&bed, &spa).await?;
    bed.worker(0)?.kill()?;
    let left = "update spa.order set name = null, note = null, forget_since = now()
        where id = $1::text::uuid";
    sql.execute(left, &[&placed.id]).await?;
    ensure!(!tables_with(&sql, NAME).await?.is_empty(), "nothing was left");
    bed.restart(0).await?;
    forgotten(&sql).await
}
