//! What a client keeps of a venue: the snapshot, and every event applied to it.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a snapshot is asked for: all that clients of the API may hear and that has a state.
pub(crate) const TOPICS: &str = "seats,shows,bookings,floor,guests";

/// The entities, and the list of a snapshot that has them.
const PARTS: [(&str, &str); 6] = [
    ("show", "shows"),
    ("booking", "bookings"),
    ("section", "sections"),
    ("table", "tables"),
    ("guest", "guests"),
    ("reservation", "reservations"),
];
/// A party that has left, or will not come, is in no snapshot.
const GONE: [&str; 3] = ["completed", "cancelled", "no_show"];
const LEAVING: [&str; 2] = ["guest", "reservation"];
/// Told in an event of its own for many parties at once; it changes with the time, too.
const WAIT: &str = "quoted";

/// Seats that are not free, and entities, by what they are and their id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    seats: BTreeMap<(String, String), String>,
    entities: BTreeMap<(&'static str, String), Value>,
    /// The last id of each kind of which a snapshot held the first ones alone, because there are too
    /// many. It says so in `cut`.
    cut: BTreeMap<&'static str, String>,
}

impl State {
    pub(crate) fn of_snapshot(snapshot: &Value) -> Self {
        let mut state = Self::default();
        for show in list(snapshot, "seats") {
            state.take_seats(show);
        }
        for (entity, name) in PARTS {
            for one in list(snapshot, name) {
                state.put(entity, one);
            }
            if list(snapshot, "cut").any(|topic| topic == name) {
                let ids = state.entities.keys().filter(|(of, _)| *of == entity);
                let last = ids.map(|(_, id)| id.clone()).next_back();
                state.cut.insert(entity, last.unwrap_or_default());
            }
        }
        state
    }

    pub(crate) fn apply(&mut self, event: &Value) {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let data = event.get("data").unwrap_or(&Value::Null);
        if text("type") == "seats_updated" {
            return self.take_seats(data);
        }
        let Some((entity, _)) = PARTS.iter().find(|(entity, _)| *entity == text("entity")) else {
            return;
        };
        if text("type").ends_with("_deleted") {
            self.entities.remove(&(*entity, text("entity_id").to_owned()));
        } else if text("type").starts_with(entity) {
            self.put(entity, data);
        }
    }

    fn put(&mut self, entity: &'static str, one: &Value) {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let place = (entity, text("id").to_owned());
        if LEAVING.contains(&entity) && GONE.contains(&text("status")) {
            self.entities.remove(&place);
            return;
        }
        let mut one = one.clone();
        if let Some(fields) = one.as_object_mut() {
            fields.retain(|name, _| !name.starts_with(WAIT));
        }
        self.entities.insert(place, one);
    }

    fn take_seats(&mut self, changed: &Value) {
        let of = |from: &Value, name: &str| {
            from.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for seat in list(changed, "seats") {
            let (place, status) = ((of(changed, "showId"), of(seat, "id")), of(seat, "status"));
            if status == "free" {
                self.seats.remove(&place);
            } else {
                self.seats.insert(place, status);
            }
        }
    }

    /// How it differs from `other`, a snapshot, for whoever has to find out why. Of what the snapshot
    /// had to cut, only the part that it holds is compared.
    pub(crate) fn differs(&self, other: &Self) -> Option<String> {
        if !other.cut.is_empty() {
            let held = |(kind, id): &(&'static str, String)| {
                other.cut.get(kind).is_none_or(|last| id <= last)
            };
            let mut part = self.clone();
            part.entities.retain(|place, _| held(place));
            part.cut.clone_from(&other.cut);
            return part.differs_whole(other);
        }
        self.differs_whole(other)
    }

    fn differs_whole(&self, other: &Self) -> Option<String> {
        let seats =
            self.seats.iter().filter(|(place, status)| other.seats.get(*place) != Some(status));
        let here = self.entities.iter();
        let entities = here.filter(|(place, one)| other.entities.get(*place) != Some(one));
        let missing = other.entities.keys().filter(|place| !self.entities.contains_key(*place));
        let first = entities.map(|(place, one)| format!("{place:?} {one}"));
        let first = first.chain(missing.map(|place| format!("{place:?} is missing"))).next();
        let first = first.or_else(|| seats.map(|seat| format!("{seat:?}")).next());
        (self != other).then(|| first.unwrap_or_else(|| "seats are missing".to_owned()))
    }
}

fn list<'a>(from: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    from.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_what_was_cut_only_the_part_that_is_held_is_compared() {
        let booking = |id: &str, status: &str| json!({"id": id, "status": status});
        let held = json!({"bookings": [booking("1", "confirmed"), booking("2", "confirmed")],
            "cut": ["bookings"]});
        let snapshot = State::of_snapshot(&held);
        let all = |second: &str| {
            State::of_snapshot(&json!({"bookings": [booking("1", "confirmed"),
                booking("2", second), booking("3", "confirmed")]}))
        };
        assert_eq!(all("confirmed").differs(&snapshot), None);
        assert!(all("cancelled").differs(&snapshot).unwrap().contains("cancelled"));
        let whole = State::of_snapshot(&json!({"bookings": [booking("1", "confirmed")]}));
        assert!(all("confirmed").differs(&whole).is_some(), "nothing was cut");
    }

    #[test]
    fn events_on_a_snapshot_make_the_next_snapshot() {
        let guest = |status: &str, wait: i32| json!({ "id": "g", "status": status, "version": 2, "quotedFromMinutes": wait });
        let event = |kind: &str, entity: &str, data: Value| json!({ "type": kind, "entity": entity, "entity_id": data["id"], "data": data });
        let seats =
            |status: &str| json!({ "showId": "s", "seats": [{ "id": "A-1", "status": status }] });
        let mut state = State::of_snapshot(&json!({ "tables": [{ "id": "t", "version": 1 }] }));
        state.apply(&event("guest_created", "guest", guest("waiting", 5)));
        state.apply(&event("table_updated", "table", json!({ "id": "t", "version": 2 })));
        state.apply(&json!({ "type": "seats_updated", "entity": "show", "data": seats("held") }));
        let next = State::of_snapshot(&json!({
            "guests": [guest("waiting", 10)], "tables": [{ "id": "t", "version": 2 }],
            "seats": [seats("held")],
        }));
        assert_eq!(state.differs(&next), None);
        state.apply(&event("guest_updated", "guest", guest("completed", 0)));
        state.apply(&event("table_deleted", "table", json!({ "id": "t" })));
        state.apply(&json!({ "type": "seats_updated", "entity": "show", "data": seats("free") }));
        assert_eq!(state, State::default());
        assert!(next.differs(&state).unwrap().contains("guest"));
        assert!(state.differs(&next).unwrap().contains("missing"));
    }
}
