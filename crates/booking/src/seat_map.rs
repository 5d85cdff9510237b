//! A show's seat map: what it is, how events change it, how it is told. Pure but for the handler.

use std::collections::{BTreeSet, HashMap};

use actix_web::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::event::Pos;
use kernel::ids::ShowId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::BookingError;
use crate::model::{SeatState, SeatStatus, Show, ShowPayment, ShowStatus};
use crate::plan::{Block, Category, Plan};
use crate::reads::{MapSeat, ShowPath, visible};
use crate::seat_maps::MAPS;

/// A show's seats as of one position of the venue's log.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it only describes the wire for the OpenAPI document")]
pub struct SeatMap {
    /// The show.
    show_id: ShowId,
    /// Where the venue's log was: subscribe with it as `since` and nothing is missed.
    #[schema(example = "1042-m3k9x0f2")]
    pos: String,
    /// Whether seats can be held.
    status: ShowStatus,
    /// Categories with their prices.
    categories: Vec<Category>,
    /// Blocks, best first.
    blocks: Vec<Block>,
    /// All seats.
    seats: Vec<MapSeat>,
}

/// All of it but the seats, which are encoded already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    show_id: ShowId,
    pos: String,
    status: ShowStatus,
    categories: &'a [Category],
    blocks: &'a [Block],
}

/// A seat, and when it may be something else by itself.
#[derive(Clone, Debug)]
pub(crate) struct TimedSeat {
    pub(crate) seat: MapSeat,
    pub(crate) until: Option<Timestamp>,
}

/// What the store found for a seat map.
pub(crate) struct SeatMapRows {
    pub(crate) pos: Pos,
    pub(crate) show: Option<Show>,
    pub(crate) plan: Plan,
    pub(crate) seats: Vec<TimedSeat>,
}

/// A seat map that is kept.
pub(crate) struct Map {
    pos: Pos,
    show: Show,
    plan: Plan,
    seats: Vec<TimedSeat>,
    places: HashMap<String, usize>,
    /// The seats that may be something else by themselves, soonest first.
    due: BTreeSet<(Timestamp, usize)>,
    free: usize,
    told: Option<Bytes>,
}

/// What an event asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The map has it.
    Done,
    /// It must be read anew.
    Reload,
}

/// The parts of an event that matter here.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    entity_id: Uuid,
    timestamp: Timestamp,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Changed {
    seats: Vec<SeatState>,
    until: Option<Timestamp>,
}

/// What of a show an event may change: the rest of it is in the map already.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangedShow {
    name: String,
    description: Option<String>,
    starts_at: Timestamp,
    status: ShowStatus,
    hold_secs: i32,
    seat_count: i32,
    #[serde(default)]
    tickets: bool,
    // A worker of the release before does not tell them, and does not change them either.
    payment: Option<ShowPayment>,
    pay_secs: Option<i32>,
    version: i64,
}

impl Map {
    pub(crate) fn of(rows: SeatMapRows) -> Option<Self> {
        let show = rows.show?;
        let places = (0..).zip(&rows.seats).map(|(at, row)| (row.seat.id.clone(), at)).collect();
        let due = (0..).zip(&rows.seats).filter_map(|(at, row)| Some((row.until?, at))).collect();
        let free = rows.seats.iter().filter(|row| row.seat.status == SeatStatus::Free).count();
        let (pos, plan, seats) = (rows.pos, rows.plan, rows.seats);
        Some(Self { pos, show, plan, seats, places, due, free, told: None })
    }

    pub(crate) fn pos(&self) -> Pos {
        self.pos
    }

    pub(crate) fn show(&self) -> &Show {
        &self.show
    }

    pub(crate) fn seat_count(&self) -> usize {
        self.seats.len()
    }

    /// The seats whose time is over.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<String> {
        let over = self.due.iter().take_while(|(until, _)| *until <= now);
        over.filter_map(|(_, at)| Some(self.seats.get(*at)?.seat.id.clone())).collect()
    }

    /// A seat is this now.
    pub(crate) fn set(&mut self, id: &str, status: SeatStatus, until: Option<Timestamp>) -> bool {
        let Some(at) = self.places.get(id).copied() else { return false };
        let Some(row) = self.seats.get_mut(at) else { return false };
        if let Some(old) = row.until {
            self.due.remove(&(old, at));
        }
        if let Some(until) = until {
            self.due.insert((until, at));
        }
        row.until = until;
        if row.seat.status != status {
            self.free -= usize::from(row.seat.status == SeatStatus::Free);
            self.free += usize::from(status == SeatStatus::Free);
            row.seat.status = status;
            self.told = None;
        }
        true
    }

    /// The venue's log is here, and all before it has been applied.
    pub(crate) fn reach(&mut self, pos: Pos) {
        self.pos = pos;
    }

    /// Takes one event of the venue, in the order of the log.
    pub(crate) fn apply(&mut self, envelope: &[u8]) -> Applied {
        let Ok(event) = serde_json::from_slice::<Told<'_>>(envelope) else {
            return Applied::Reload;
        };
        if event.entity_id != self.show.id.0 {
            return Applied::Done;
        }
        let data = event.data.map(RawValue::get);
        match event.kind {
            "seats_updated" => self.apply_seats(data, event.timestamp),
            "show_updated" => self.apply_show(data),
            "seat_map_replaced" => Applied::Reload,
            _ => Applied::Done,
        }
    }

    fn apply_seats(&mut self, data: Option<&str>, at: Timestamp) -> Applied {
        let changed = data.and_then(|data| serde_json::from_str::<Changed>(data).ok());
        let Some(changed) = changed else { return Applied::Reload };
        for SeatState { id, status } in &changed.seats {
            // A worker of the release before says no time: it is asked for at once.
            let until = match status {
                SeatStatus::Held => changed.until.or(Some(at)),
                SeatStatus::Withheld => changed.until,
                SeatStatus::Free | SeatStatus::Sold => None,
            };
            if !self.set(id, *status, until) {
                return Applied::Reload;
            }
        }
        Applied::Done
    }

    fn apply_show(&mut self, data: Option<&str>) -> Applied {
        let changed = data.and_then(|data| serde_json::from_str::<ChangedShow>(data).ok());
        let Some(new) = changed else { return Applied::Reload };
        self.show = Show {
            name: new.name,
            description: new.description,
            starts_at: new.starts_at,
            status: new.status,
            hold_secs: new.hold_secs,
            seat_count: new.seat_count,
            tickets: new.tickets,
            payment: new.payment.unwrap_or(self.show.payment),
            pay_secs: new.pay_secs.unwrap_or(self.show.pay_secs),
            version: new.version,
            ..self.show.clone()
        };
        Applied::Done
    }

    /// A hold that runs out changes the map before anybody has written so: the number of free
    /// seats is part of the tag.
    pub(crate) fn tag(&self) -> String {
        format!("\"{}.{}\"", self.pos, self.free)
    }

    /// The answer. The seats are encoded once for each change of them.
    pub(crate) fn encode(&mut self) -> Result<Vec<u8>, serde_json::Error> {
        let seats = if let Some(told) = &self.told {
            told.clone()
        } else {
            let seats: Vec<&MapSeat> = self.seats.iter().map(|row| &row.seat).collect();
            let encoded = Bytes::from(serde_json::to_vec(&seats)?);
            self.told.insert(encoded).clone()
        };
        let mut map = serde_json::to_vec(&Head {
            show_id: self.show.id,
            pos: self.pos.to_string(),
            status: self.show.status,
            categories: &self.plan.categories,
            blocks: &self.plan.blocks,
        })?;
        // The head is an object: its last byte is its bracket.
        map.pop();
        map.extend_from_slice(b",\"seats\":");
        map.extend_from_slice(&seats);
        map.push(b'}');
        Ok(map)
    }
}

/// Get a seat map
///
/// Every seat with its status, as of `pos`. The `ETag` changes whenever a seat does: send it as
/// `If-None-Match` and an unchanged map is 304.
#[utoipa::path(
    operation_id = "getSeatMap", tag = "booking",
    params(ShowPath,
        ("If-None-Match" = Option<String>, Header, description = "The ETag that was seen")),
    responses(
        (status = 200, body = SeatMap), (status = 304, description = "Nothing changed"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/shows/{show}/seats")]
pub(crate) async fn get_seat_map(
    actor: Actor<can::ReadShows>,
    at: Path<ShowPath>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let mut map = MAPS.get(&app, (at.venue, at.show)).await?;
    visible(Some(map.show().clone()), &actor).map_err(|error| Rejection::of(&error))?;
    let tag = map.tag();
    if request.headers().get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let body = map.encode().map_err(|error| Rejection::of(&BookingError::from(error)))?;
    Ok(HttpResponse::Ok()
        .insert_header((ETAG, tag))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn map() -> Map {
        let show = Show {
            id: ShowId(Uuid::from_u128(7)),
            name: "Gala".into(),
            description: None,
            starts_at: at(9_000),
            status: ShowStatus::OnSale,
            hold_secs: 120,
            currency: "EUR".into(),
            seat_count: 2,
            tickets: false,
            payment: ShowPayment::None,
            pay_secs: 900,
            version: 1,
        };
        let seat = |id: &str| TimedSeat {
            seat: MapSeat {
                id: id.into(),
                block: "A".into(),
                category: "standard".into(),
                accessible: false,
                status: SeatStatus::Free,
            },
            until: None,
        };
        let seats = vec![seat("A-1"), seat("A-2")];
        let pos = Pos::new(1, at(1));
        Map::of(SeatMapRows { pos, show: Some(show), plan: Plan::default(), seats }).unwrap()
    }

    fn event(kind: &str, show: u128, data: &serde_json::Value) -> Vec<u8> {
        let event = serde_json::json!({
            "type": kind, "entity_id": Uuid::from_u128(show), "timestamp": at(50), "seq": 2,
            "data": data,
        });
        event.to_string().into_bytes()
    }

    #[test]
    fn events_change_the_seats_of_their_show_alone() {
        let mut map = map();
        let held = serde_json::json!({
            "seats": [{"id": "A-2", "status": "held"}], "until": at(100),
        });
        assert_eq!(map.apply(&event("seats_updated", 8, &held)), Applied::Done);
        assert_eq!(map.tag(), "\"1-m3k9.2\"".replace("1-m3k9", &map.pos().to_string()));
        assert_eq!(map.apply(&event("seats_updated", 7, &held)), Applied::Done);
        assert!(map.tag().ends_with(".1\""));
        assert!(map.due(at(99)).is_empty());
        assert_eq!(map.due(at(100)), ["A-2"]);
        let sold = serde_json::json!({"seats": [{"id": "A-2", "status": "sold"}]});
        map.apply(&event("seats_updated", 7, &sold));
        assert!(map.due(at(100)).is_empty(), "what is sold does not run out");
        let text = String::from_utf8(map.encode().unwrap()).unwrap();
        assert!(text.contains(r#""id":"A-2","block":"A","category":"standard""#), "{text}");
        assert!(text.contains(r#""status":"sold""#), "{text}");
    }

    #[test]
    fn what_cannot_be_patched_is_read_anew() {
        let mut map = map();
        let unknown = serde_json::json!({"seats": [{"id": "Z-1", "status": "held"}]});
        assert_eq!(map.apply(&event("seats_updated", 7, &unknown)), Applied::Reload);
        let null = serde_json::Value::Null;
        assert_eq!(map.apply(&event("seats_updated", 7, &null)), Applied::Reload);
        assert_eq!(map.apply(&event("seat_map_replaced", 7, &null)), Applied::Reload);
        assert_eq!(map.apply(b"nonsense"), Applied::Reload);
        assert_eq!(map.apply(&event("booking_created", 7, &null)), Applied::Done);
    }

    #[test]
    fn a_hold_without_a_time_is_asked_for_at_once() {
        let mut map = map();
        let held = serde_json::json!({"seats": [{"id": "A-1", "status": "held"}]});
        map.apply(&event("seats_updated", 7, &held));
        assert_eq!(map.due(at(50)), ["A-1"]);
    }
}
