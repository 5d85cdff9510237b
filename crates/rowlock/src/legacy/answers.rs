//! What the real operations answer, with the names that the old app knows beside their own.

use edge::{App, Rejection};
use kernel::time;
use serde_json::{Map, Value, json};

use super::paths::{About, Asked};

/// The answer for the app.
pub(super) fn translate(
    asked: &Asked,
    answer: Value,
    app: Option<&App>,
) -> Result<Value, Rejection> {
    let now = app.map(|app| time::text(app.clock().now())).unwrap_or_default();
    let own = asked.own();
    Ok(match asked.alias.about {
        About::Login | About::Register => tokens(answer, app),
        About::Me => me(answer),
        // Whoever may look at the floor but not at names gets no names by another path.
        About::Guests => {
            let guests = answer.get("guests").ok_or(pg::DbError::Forbidden)?;
            all(guests, guest)
        }
        About::Guest => guest(answer),
        About::Tables => all(&at(&answer, "tables"), |it| table(it, &now)),
        About::Table => match answer.get("tables") {
            Some(tables) => {
                let mine = |it: &&Value| it.get("id").and_then(Value::as_str) == own;
                let found = tables.as_array().and_then(|all| all.iter().find(mine));
                table(found.cloned().unwrap_or_default(), &now)
            }
            None => table(answer, &now),
        },
        About::Batch => batch(&answer, &now),
        About::Floor => floor(answer, &now),
        About::Dashboard | About::Socket => answer,
    })
}

/// The field of that name; null where there is none.
fn at(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

fn all(list: &Value, each: impl Fn(Value) -> Value) -> Value {
    list.as_array().cloned().unwrap_or_default().into_iter().map(each).collect()
}

/// The object with more names.
fn and(value: Value, more: impl FnOnce(&Map<String, Value>) -> Value) -> Value {
    let Value::Object(mut fields) = value else { return value };
    if let Value::Object(more) = more(&fields) {
        for (name, value) in more {
            fields.entry(name).or_insert(value);
        }
    }
    Value::Object(fields)
}

fn guest(value: Value) -> Value {
    and(value, |it| {
        let of = |name: &str| it.get(name).cloned().unwrap_or_default();
        let name = it.get("guestName").and_then(Value::as_str).unwrap_or_default();
        let (given, family) = name.split_once(' ').unwrap_or((name, ""));
        let allergies = it.get("allergies").and_then(Value::as_str).unwrap_or_default();
        let words = allergies.split(", ").filter(|word| !word.is_empty());
        let steps = ["createdAt", "notifiedAt", "seatedAt", "endedAt"];
        let last = steps.iter().filter_map(|name| it.get(*name)?.as_str()).max();
        json!({
            "name": name, "firstName": given, "lastName": family,
            "dietaryRestrictions": words.collect::<Vec<_>>(), "totalVisits": 1,
            "checkInTime": of("createdAt"), "seatedTime": of("seatedAt"),
            "finishedTime": of("endedAt"), "lastUpdated": last,
        })
    })
}

fn table(value: Value, now: &str) -> Value {
    and(value, |it| {
        let of = |name: &str| it.get(name).cloned().unwrap_or_default();
        json!({
            "tableNumber": of("name"), "capacity": of("maxSeats"),
            "position": {"x": of("x"), "y": of("y")}, "currentGuestId": of("guestId"),
            "createdAt": made_at(it).unwrap_or_else(|| now.to_owned()), "lastUpdated": now,
        })
    })
}

/// When something was made: its id says so.
fn made_at(it: &Map<String, Value>) -> Option<String> {
    let id: uuid::Uuid = it.get("id")?.as_str()?.parse().ok()?;
    let (secs, nanos) = id.get_timestamp()?.to_unix();
    let at = jiff::Timestamp::new(i64::try_from(secs).ok()?, i32::try_from(nanos).ok()?).ok()?;
    Some(time::text(at))
}

fn tokens(value: Value, app: Option<&App>) -> Value {
    and(value, |it| {
        let token = it.get("accessToken").and_then(Value::as_str).unwrap_or_default();
        // The venue where the user works. In several, the app asks `/auth/me` and chooses.
        let claims = app.and_then(|app| app.keys().verify(token).ok());
        let restaurant = claims.and_then(|claims| claims.roles.keys().min().copied());
        json!({
            "access_token": token, "token_type": "bearer",
            "user_id": it.get("user").map(|user| at(user, "id")),
            "restaurant_id": restaurant,
        })
    })
}

fn me(value: Value) -> Value {
    and(value, |it| {
        let user = it.get("user").cloned().unwrap_or_default();
        let name = user.get("name").and_then(Value::as_str).unwrap_or_default();
        let (given, family) = name.split_once(' ').unwrap_or((name, ""));
        let place = it.get("memberships").and_then(|all| all.get(0)).cloned().unwrap_or_default();
        json!({
            "id": at(&user, "id"), "email": at(&user, "email"), "first_name": given, "last_name": family,
            "role": at(&place, "role"), "restaurant_id": at(&place, "venueId"),
            "restaurant_name": at(&place, "venueName"),
        })
    })
}

fn batch(answer: &Value, now: &str) -> Value {
    json!({
        "success": true,
        "updated_guests": all(&at(answer, "guests"), guest),
        "updated_tables": all(&at(answer, "tables"), |it| table(it, now)),
        "changed": at(answer, "changed"),
        "timestamp": now,
        "errors": [],
    })
}

/// All that a screen begins with, and the counts that it shows.
fn floor(answer: Value, now: &str) -> Value {
    let (guests, tables) =
        (all(&at(&answer, "guests"), guest), all(&at(&answer, "tables"), |it| table(it, now)));
    let by_status = |list: &Value| {
        let mut counts = Map::new();
        for status in
            list.as_array().into_iter().flatten().filter_map(|it| it.get("status")?.as_str())
        {
            let count = counts.get(status).and_then(Value::as_i64).unwrap_or(0) + 1;
            counts.insert(status.to_owned(), count.into());
        }
        counts
    };
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    let (of_guests, of_tables) = (by_status(&guests), by_status(&tables));
    let occupied = of_tables.get("occupied").and_then(Value::as_f64).unwrap_or(0.0);
    let most = u32::try_from(count(&tables)).map_or(1.0, f64::from).max(1.0);
    let stats = json!({
        "total_guests": count(&guests), "total_tables": count(&tables),
        "occupancy_rate": occupied / most,
        "guests_by_status": of_guests, "tables_by_status": of_tables,
    });
    let whole = json!({"guests": guests, "tables": tables, "stats": stats, "lastUpdated": now,
        "isFullSync": true});
    and(whole, |_| answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_has_its_own_names_and_the_old_ones() {
        let ana = guest(json!({"guestName": "Ana de Lopes", "status": "seated",
            "createdAt": "2026-01-01T19:00:00.000000Z", "seatedAt": "2026-01-01T19:30:00.000000Z"}));
        assert_eq!((&ana["firstName"], &ana["lastName"]), (&json!("Ana"), &json!("de Lopes")));
        assert_eq!(ana["lastUpdated"], ana["seatedTime"]);
        assert_eq!(ana["status"], "seated", "its own names stay");
    }

    #[test]
    fn the_counts_are_those_of_the_lists() {
        let seen = floor(
            json!({"pos": "7-a", "guests": [{"status": "waiting"}],
                "tables": [{"status": "occupied"}, {"status": "available"}]}),
            "2026-01-01T19:00:00.000000Z",
        );
        assert_eq!(seen["stats"]["occupancy_rate"], 0.5);
        assert_eq!(seen["stats"]["guests_by_status"], json!({"waiting": 1}));
        assert_eq!(seen["pos"], "7-a");
    }
}
