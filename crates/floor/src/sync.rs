//! What has changed since a position, for devices that come back and do not listen.

use std::collections::BTreeMap;

use actix_web::{get, web};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use kernel::event::{Pos, Topic};
use kernel::problem::Problem;
use kernel::role::Permission;
use pg::Stored;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::FloorError;
use crate::reads::VenuePath;

/// Further behind, a device loads the floor anew: it is smaller than its history.
const EVENTS_MAX: u16 = edge::limits::SYNC_EVENTS_MAX;

/// Since when.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// The `pos` up to which the device knows everything. Missing, it is refused by the handler:
    /// who may not ask at all is told that first.
    #[param(required = true, value_type = String, example = "1042-m3k9x0f2")]
    pub since: Option<String>,
}

/// What has changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// Up to where the answer goes: the next `since`.
    pub pos: String,
    /// Continuity cannot be proved: load the floor anew. `changed` is empty then.
    pub resync: bool,
    /// The last event of each entity that was changed, in their order, as sockets hear them.
    #[schema(value_type = Vec<Object>)]
    pub changed: Vec<Box<RawValue>>,
}

/// Of an event, what says to what it happened.
#[derive(Deserialize)]
struct About {
    seq: i64,
    pos: String,
    entity: String,
    entity_id: String,
}

/// Sync a device
///
/// The last event of each entity of the floor that was changed after `since`; or `resync`, when the
/// position is too old or of another history.
#[utoipa::path(
    operation_id = "syncFloor", tag = "floor", params(VenuePath, Since), security(("bearer" = [])),
    responses((status = 200, body = Sync), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/sync")]
pub(crate) async fn get_sync(
    actor: Actor<can::ReadFloor>,
    at: Path<VenuePath>,
    query: Query<Since>,
    app: web::Data<App>,
) -> Result<web::Json<Sync>, Rejection> {
    let since: Pos = query.since.as_deref().unwrap_or_default().parse().map_err(|_| {
        let detail = "Give since as a pos that was given to you.";
        Problem::new(400, "bad_pos", "The position cannot be used", detail)
    })?;
    let found = app.db().events(at.venue, since.seq.max(1), EVENTS_MAX).await?;
    let heads = app.db().heads(&[at.venue]).await?;
    let head = heads.first().map(pg::Head::pos).ok_or_else(|| {
        Problem::new(404, "not_found", "There is nothing here", "There is no such venue.")
    })?;
    let names = actor.standing.may(Permission::ReadGuests);
    let sync = changes(since, head, &found, names).map_err(|error| Rejection::of(&error))?;
    Ok(web::Json(sync))
}

/// The rule: `found` are the events from the one of `since` on.
fn changes(since: Pos, head: Pos, found: &[Stored], names: bool) -> Result<Sync, FloorError> {
    let fresh = || Sync { pos: head.to_string(), resync: true, changed: Vec::new() };
    // The event of the position itself proves that the device's past is the past of this log.
    let behind = match found.split_first() {
        _ if since.seq > head.seq => return Ok(fresh()),
        _ if since == head => &[],
        Some((first, rest)) if Pos::new(first.seq, first.at) == since => rest,
        Some((first, _)) if since.seq == 0 && first.seq == 1 => found,
        _ => return Ok(fresh()),
    };
    if found.len() >= usize::from(EVENTS_MAX) {
        return Ok(fresh());
    }
    let mine = |stored: &&Stored| match stored.frame.topic {
        Topic::Floor => true,
        Topic::Guests => names,
        _ => false,
    };
    let mut last = BTreeMap::new();
    let mut pos = since.to_string();
    for stored in behind {
        pos = Pos::new(stored.seq, stored.at).to_string();
        if mine(&stored) {
            let about: About = serde_json::from_slice(&stored.frame.json)?;
            debug_assert_eq!((about.seq, &about.pos), (stored.seq, &pos));
            last.insert((about.entity, about.entity_id), stored);
        }
    }
    let mut events: Vec<_> = last.into_values().collect();
    events.sort_by_key(|stored| stored.seq);
    let text = |stored: &&Stored| String::from_utf8_lossy(&stored.frame.json).into_owned();
    let changed = events.iter().map(|stored| RawValue::from_string(text(stored)));
    Ok(Sync { pos, resync: false, changed: changed.collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use kernel::event::{Envelope, Frame};
    use kernel::ids::VenueId;
    use uuid::Uuid;

    use super::*;
    use crate::model::tests::at;

    fn stored(seq: i64, topic: Topic, entity_id: u128) -> Stored {
        let envelope = Envelope {
            venue: VenueId(Uuid::nil()),
            seq,
            at: at("2026-01-01T20:00:00Z"),
            kind: "table_updated",
            entity: "table",
            entity_id: Uuid::from_u128(entity_id),
            version: seq,
            action: "moved",
            data: "{}",
        };
        Stored {
            seq,
            at: envelope.at,
            frame: Frame { topic, follow: None, json: envelope.to_json() },
        }
    }

    fn pos(seq: i64) -> Pos {
        Pos::new(seq, at("2026-01-01T20:00:00Z"))
    }

    #[test]
    fn each_entity_comes_once_as_it_is_now() {
        let log = [
            stored(1, Topic::Floor, 7),
            stored(2, Topic::Floor, 7),
            stored(3, Topic::Guests, 8),
            stored(4, Topic::Floor, 7),
        ];
        let all = changes(pos(1), pos(4), &log, true).unwrap();
        assert_eq!((all.changed.len(), all.pos), (2, pos(4).to_string()));
        assert_eq!(changes(pos(1), pos(4), &log, false).unwrap().changed.len(), 1);
        assert!(changes(pos(4), pos(4), &log[3..], true).unwrap().changed.is_empty());
    }

    #[test]
    fn a_position_of_another_history_is_told_to_load_anew() {
        let log = [stored(1, Topic::Floor, 7), stored(2, Topic::Floor, 7)];
        let other = Pos::new(1, at("2025-01-01T20:00:00Z"));
        assert!(changes(other, pos(2), &log, true).unwrap().resync);
        assert!(changes(pos(9), pos(2), &log, true).unwrap().resync);
        let pruned = [stored(5, Topic::Floor, 7)];
        assert!(changes(pos(1), pos(5), &pruned, true).unwrap().resync);
    }
}
