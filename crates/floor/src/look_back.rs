//! The floor as it was: the last keyframe before that time, and the events since.

use std::collections::BTreeMap;

use edge::App;
use jiff::Timestamp;
use kernel::event::{Pos, Topic};
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Stored;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::FloorError;
use crate::error::Unknown;
use crate::reads::FloorRows;
use crate::settings::FloorSettings;
use crate::store::keyframes;

/// Events that are read at once.
const PAGE: u16 = 500;
/// Events that are gone through at most: a keyframe comes long before.
const EVENTS_MAX: usize = 10_000;

type Entities = BTreeMap<Uuid, Value>;

/// The whole floor as of an event, as the API writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frame {
    settings: Value,
    levels: Entities,
    sections: Entities,
    tables: Entities,
    guests: Entities,
    reservations: Entities,
}

/// The floor as it was.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    frame: Frame,
    pos: String,
}

/// Of an event, what the floor is made of.
#[derive(Deserialize)]
struct Told {
    r#type: String,
    entity: String,
    entity_id: Uuid,
    #[serde(default)]
    data: Value,
}

fn by_id(list: Vec<Value>) -> Entities {
    let id = |it: &Value| it.get("id")?.as_str()?.parse().ok();
    list.into_iter().filter_map(|it| Some((id(&it)?, it))).collect()
}

fn entities<T: Serialize>(list: &[T]) -> Result<Entities, serde_json::Error> {
    let values = list.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    Ok(by_id(values))
}

impl Frame {
    /// The floor as it is.
    pub(crate) fn of(rows: &FloorRows) -> Result<Self, serde_json::Error> {
        let guests: Vec<_> = rows.guests.iter().map(|party| &party.guest).collect();
        Ok(Self {
            settings: serde_json::to_value(&rows.settings)?,
            levels: entities(&rows.levels)?,
            sections: entities(&rows.sections)?,
            tables: entities(&rows.tables)?,
            guests: entities(&guests)?,
            reservations: entities(&rows.reservations)?,
        })
    }

    /// A floor before its first event.
    fn empty() -> Result<Self, serde_json::Error> {
        let settings = serde_json::to_value(FloorSettings::default())?;
        Ok(Self { settings, ..Self::default() })
    }

    fn apply(&mut self, told: Told) {
        if told.r#type == "layout_updated" {
            let list = |name: &str| told.data.get(name).and_then(Value::as_array).cloned();
            for (kept, name) in [
                (&mut self.levels, "levels"),
                (&mut self.sections, "sections"),
                (&mut self.tables, "tables"),
            ] {
                *kept = by_id(list(name).unwrap_or_default());
            }
            return;
        }
        let kept = match told.entity.as_str() {
            "floor_settings" => return self.settings = told.data,
            "level" => &mut self.levels,
            "section" => &mut self.sections,
            "table" => &mut self.tables,
            "guest" => &mut self.guests,
            "reservation" => &mut self.reservations,
            _ => return,
        };
        if told.r#type.ends_with("_deleted") {
            kept.remove(&told.entity_id);
        } else {
            kept.insert(told.entity_id, told.data);
        }
    }
}

impl Past {
    /// As `getFloor` answers: with names only for those who may read them.
    pub(crate) fn state(self, names: bool) -> Value {
        let all = |it: Entities| it.into_values().collect::<Vec<_>>();
        let live = |it: Entities, statuses: &[&str], by: &str| {
            let is = |it: &Value| {
                it.get("status").and_then(Value::as_str).is_some_and(|is| statuses.contains(&is))
            };
            let mut live: Vec<_> = it.into_values().filter(is).collect();
            let key = |it: &Value| it.get(by).and_then(Value::as_str).unwrap_or("").to_owned();
            live.sort_by_key(key);
            live
        };
        let Frame { settings, levels, sections, tables, guests, reservations } = self.frame;
        let mut state = serde_json::json!({
            "pos": self.pos, "settings": settings, "levels": all(levels),
            "sections": all(sections), "tables": all(tables),
        });
        if let Some(fields) = state.as_object_mut().filter(|_| names) {
            let here = live(guests, &["waiting", "notified", "seated"], "createdAt");
            let awaited = live(reservations, &["held", "booked", "arrived"], "startsAt");
            fields.insert("guests".to_owned(), here.into());
            fields.insert("reservations".to_owned(), awaited.into());
        }
        state
    }
}

/// What the floor was like at `at`.
///
/// # Errors
/// `NoRecord` when the log does not go back so far, or the time is to come.
pub(crate) async fn look_back(
    app: &App,
    venue: VenueId,
    at: Timestamp,
) -> Result<Past, FloorError> {
    if at > app.clock().now() {
        return Err(FloorError::NoRecord(Unknown::ToCome));
    }
    let scope = Scope::venue(venue, None);
    let found = app.db().read(scope, async |q| keyframes::find_keyframe(q, at).await).await?;
    // A log that is kept from its first event on needs no keyframe: it begins with nothing.
    let (mut seq, mut pos, mut frame) = match found {
        Some(found) => found,
        None => (0, None, Frame::empty()?),
    };
    for _ in 0..EVENTS_MAX / usize::from(PAGE) {
        let events = app.db().full_events(venue, seq + 1, PAGE).await?;
        if events.first().is_some_and(|first| first.seq != seq + 1) {
            return Err(FloorError::NoRecord(Unknown::Forgotten));
        }
        let whole = events.len() == usize::from(PAGE);
        let past: Vec<&Stored> = events.iter().take_while(|event| event.at <= at).collect();
        for event in &past {
            (seq, pos) = (event.seq, Some(event.at));
            if matches!(event.frame.topic, Topic::Floor | Topic::Guests) {
                frame.apply(serde_json::from_slice(&event.frame.json)?);
            }
        }
        if past.len() < events.len() || !whole {
            let pos = pos.map_or_else(String::new, |at| Pos::new(seq, at).to_string());
            return Ok(Past { frame, pos });
        }
    }
    Err(FloorError::NoRecord(Unknown::Forgotten))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, entity: &str, id: u128, data: Value) -> Told {
        let entity_id = Uuid::from_u128(id);
        Told { r#type: kind.into(), entity: entity.into(), entity_id, data }
    }

    #[test]
    fn the_last_word_on_each_thing_counts() {
        let mut frame = Frame::default();
        let id = Uuid::from_u128(7).to_string();
        frame.apply(told("table_created", "table", 7, json!({"id": id, "x": 1})));
        frame.apply(told("table_updated", "table", 7, json!({"id": id, "x": 2})));
        frame.apply(told("guest_created", "guest", 8, json!({"status": "waiting"})));
        frame.apply(told("guest_updated", "guest", 9, json!({"status": "completed"})));
        let past = Past { frame: frame.clone(), pos: "2-a".into() };
        let seen = past.clone().state(true);
        assert_eq!(seen["tables"], json!([{"id": id, "x": 2}]));
        assert_eq!(seen["guests"], json!([{"status": "waiting"}]), "who has left is not there");
        assert_eq!(past.state(false).get("guests"), None);
        frame.apply(told("layout_updated", "layout", 1, json!({"tables": []})));
        assert!(frame.tables.is_empty());
    }
}
