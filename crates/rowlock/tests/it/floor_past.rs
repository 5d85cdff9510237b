//! The floor as it was at a time that is past.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Bed, Client, Sql};

use crate::floor_room::{Room, batch};

/// What the clock of the log says.
async fn clock(sql: &Sql) -> Result<String> {
    let now =
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    sql.value(now, &[]).await
}

async fn past(room: &Room, client: &Client, at: &str) -> Result<Value> {
    client.get(room.path(&format!("/floor?at={at}"))).await?.expect(200)
}

fn same(one: &Value, other: &Value) {
    for part in ["settings", "levels", "sections", "tables", "guests", "reservations"] {
        assert_eq!(one[part], other[part], "{part}");
    }
}

#[tokio::test]
async fn the_floor_is_told_as_it_was_at_any_moment() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 3).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let later = json!({"startsAt": crate::floor_reservations::evening(&bed).await?,
        "partySize": 2, "guestName": "Bob"});
    owner.post(room.path("/reservations"), later).await?.expect(201)?;
    owner.post(room.path("/levels"), json!({"name": "Hall"})).await?.expect(201)?;
    let mut moments = Vec::new();
    let ana = room.receive(owner, "Ana", 2).await?;
    for step in 0..6 {
        match step {
            0 => drop(room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?),
            1 => {
                let body = json!({"tables": [room.tables[1]]});
                owner.post(room.path(&format!("/guests/{ana}/move")), body).await?.expect(200)?;
            }
            2 => drop(room.step(owner, &ana, "complete").await?.expect(200)?),
            3 => {
                let rename = json!({"op": "change_table", "id": room.tables[2],
                    "body": {"name": "Window"}});
                batch(&room.house, owner, vec![rename]).await?.expect(200)?;
            }
            4 => {
                let plan = owner.get(room.path("/floor/layout")).await?.expect(200)?;
                owner.put(room.path("/floor/layout"), json!({"plan": plan})).await?.expect(200)?;
            }
            _ => drop(owner.delete(room.path(&format!("/guests/{ana}"))).await?),
        }
        moments.push((clock(&sql).await?, room.floor(owner).await?));
        if step == 2 {
            // What comes later is told from here on.
            sql.run("update floor.keyframe set at = at - interval '7 hours'").await?;
        }
    }
    for (at, seen) in &moments {
        same(&past(&room, owner, at).await?, seen);
    }
    let monitor = room.house.member("monitor").await?;
    let seen = past(&room, &monitor, &moments[0].0).await?;
    assert!(!seen.to_string().contains("Ana"), "no names");
    let at = "2099-01-01T00:00:00.000000Z";
    owner.get(room.path(&format!("/floor?at={at}"))).await?.refused(422, "floor.no_record")?;
    // The log has forgotten how it began, and there is no keyframe.
    sql.run("delete from log.venue_event where seq < 4").await?;
    sql.run("delete from floor.keyframe").await?;
    let forgotten = format!("/floor?at={}", moments[0].0);
    owner.get(room.path(&forgotten)).await?.refused(410, "floor.no_record")?;
    Ok(())
}

#[tokio::test]
async fn a_keyframe_is_where_the_log_may_begin() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    room.receive(owner, "Ana", 2).await?;
    // Every floor gets its first keyframe within a minute; here it is made by hand as the job does.
    let seen = room.floor(owner).await?;
    let by_id = |list: &Value| {
        let all = list.as_array().cloned().unwrap_or_default();
        let named = all.into_iter().filter_map(|it| Some((it["id"].as_str()?.to_owned(), it)));
        Value::Object(named.collect())
    };
    let mut state = json!({"settings": seen["settings"]});
    for part in ["levels", "sections", "tables", "guests", "reservations"] {
        state[part] = by_id(&seen[part]);
    }
    let keep = format!(
        "delete from floor.keyframe;
         insert into floor.keyframe (venue_id, seq, at, state)
         select venue_id, seq, at, '{}'::json from log.venue_head where venue_id = '{}'",
        state.to_string().replace('\'', "''"),
        room.house.venue()
    );
    sql.run(&keep).await?;
    room.receive(owner, "Bob", 2).await?;
    let (at, now) = (clock(&sql).await?, room.floor(owner).await?);
    let first = "delete from log.venue_event e using floor.keyframe k
        where e.venue_id = k.venue_id and e.seq <= k.seq";
    sql.run(first).await?;
    same(&past(&room, owner, &at).await?, &now);
    Ok(())
}
