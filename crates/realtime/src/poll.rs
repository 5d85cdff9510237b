//! `GET /api/v1/venues/{venue}/events`: the same log, for those that poll.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, get, web};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use kernel::event::Pos;
use kernel::ids::VenueId;
use kernel::problem::Problem;
use pg::{Head, Stored};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::grant::{Asked, Grant, secret_of};

/// Events in one answer, unless the caller says less.
const EVENTS_MAX: u16 = 200;
/// The same where each may be as large as a write's body.
const FULL_EVENTS_MAX: u16 = 10;

#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VenuePath {
    /// The venue.
    venue: VenueId,
}

/// From where on.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// The `pos` of a snapshot or of the last answer; without it the answer only says where the
    /// log is.
    #[param(example = "1042-m3k9x0f2")]
    after: Option<String>,
    /// Events at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Data that is too large for a socket comes with the events, at most 10 of them; `after` may
    /// then be a bare number. The `ref` of an event asks so.
    full: Option<bool>,
    /// Topics, separated by commas, `order.{id}` and `booking.{id}` among them; those that the
    /// caller may not hear are left out. Without it: all that are open to the caller.
    #[param(example = "seats,shows")]
    topics: Option<String>,
}

/// A part of a venue's log.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the wire for the OpenAPI document")]
pub(crate) struct Events {
    /// Envelopes as the socket sends them, see `/events.json`.
    #[schema(value_type = Vec<Object>)]
    items: (),
    /// Where to go on, also when there are no items.
    #[schema(example = "1050-m3k9z7aa")]
    pos: String,
    /// Continuity cannot be proved: load a snapshot and go on from its `pos`.
    resync: bool,
}

/// Read events
///
/// The events after a position that the caller may hear, oldest first. `resync`: continuity cannot
/// be proved, load a snapshot and go on from its `pos`. Go on with `after` = `pos`, also when
/// `items` is empty.
#[utoipa::path(
    tag = "realtime", operation_id = "listEvents",
    params(VenuePath, Part, ("Follow-Secret" = Option<String>, Header,
            description = "Opens the orders and bookings that it was given out for")),
    responses((status = 200, body = Events), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/events")]
pub(crate) async fn list_events(
    actor: Actor<can::Listen>,
    path: Path<VenuePath>,
    query: Query<Part>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let venue = path.venue;
    let full = query.full.unwrap_or(false);
    let most = if full { FULL_EVENTS_MAX } else { EVENTS_MAX };
    let limit = query.limit.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        let detail = format!("limit is 1 to {most}.");
        return Err(Problem::new(400, "bad_limit", "The limit cannot be used", detail).into());
    }
    let after = query.after.as_deref().map(|text| place(text, full)).transpose()?;
    let asked = query.topics.as_deref().map_or_else(|| Ok(Asked::all()), Asked::parse)?;
    let who = (actor.scope, venue);
    let grant = Grant::read(&app, who, &asked, secret_of(&request)).await?;
    let head = app.db().heads(&[venue]).await?.pop().ok_or_else(not_found)?;
    let page = match after {
        None => Page::at(head.pos()),
        Some(Place::Number(seq)) => {
            Page::from(seq, &head, app.db().full_events(venue, seq + 1, limit).await?)
        }
        Some(Place::Proved(after)) if full => {
            let rows = app.db().full_events(venue, after.seq, limit + 1).await?;
            Page::of(after, &head, rows)
        }
        Some(Place::Proved(after)) => {
            let rows = app.db().events(venue, after.seq, limit + 1).await?;
            Page::of(after, &head, rows)
        }
    };
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    Ok(answer.body(page.to_json(&grant)))
}

/// Where to read on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A position: continuity is proved.
    Proved(Pos),
    /// The bare number of a `ref`, which knows no more: nothing is proved.
    Number(i64),
}

fn place(text: &str, full: bool) -> Result<Place, Problem> {
    let number = text.parse().ok().filter(|seq| full && (0..i64::MAX).contains(seq));
    number.map_or_else(|| text.parse().map(Place::Proved), |seq| Ok(Place::Number(seq))).map_err(
        |error: kernel::event::NotAPos| {
            Problem::new(400, "bad_pos", "The position cannot be used", error.to_string())
        },
    )
}

fn not_found() -> Problem {
    Problem::new(404, "not_found", "There is nothing here", "There is no such venue.")
}

/// A part of the log.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    rows: Vec<Stored>,
    pos: Pos,
    resync: bool,
}

impl Page {
    fn at(pos: Pos) -> Self {
        Self { rows: Vec::new(), pos, resync: false }
    }

    /// What follows `after`, if `rows` (from `after.seq` on) prove that nothing is missing.
    fn of(after: Pos, head: &Head, mut rows: Vec<Stored>) -> Self {
        let resync = Self { rows: Vec::new(), pos: head.pos(), resync: true };
        if after.seq == head.seq {
            return if after == head.pos() { Self::at(after) } else { resync };
        }
        let known = rows.first().is_some_and(|row| Pos::new(row.seq, row.at) == after);
        if known {
            rows.remove(0);
        } else if after.seq != 0 {
            return resync;
        }
        let dense = rows.iter().zip(after.seq + 1..).all(|(row, seq)| row.seq == seq);
        match rows.last() {
            Some(last) if dense => Self { pos: Pos::new(last.seq, last.at), rows, resync: false },
            _ => resync,
        }
    }

    /// What follows the number `seq`, if it is still there.
    fn from(seq: i64, head: &Head, rows: Vec<Stored>) -> Self {
        match (rows.first(), rows.last()) {
            (Some(first), Some(last)) if first.seq == seq + 1 => {
                Self { pos: Pos::new(last.seq, last.at), rows, resync: false }
            }
            _ => Self { rows: Vec::new(), pos: head.pos(), resync: seq != head.seq },
        }
    }

    /// The envelopes are JSON already and go out as they are.
    fn to_json(&self, grant: &Grant) -> Vec<u8> {
        let mut out = b"{\"items\":[".to_vec();
        let heard = self.rows.iter().filter(|row| grant.hears(row.frame.topic, row.frame.follow));
        for (index, row) in heard.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&row.frame.json);
        }
        out.extend_from_slice(
            format!("],\"pos\":\"{}\",\"resync\":{}}}", self.pos, self.resync).as_bytes(),
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use kernel::event::{Frame, Topic};

    use super::*;

    fn at(seq: i64) -> Timestamp {
        Timestamp::from_microsecond(seq * 10).unwrap()
    }

    fn rows(seqs: impl IntoIterator<Item = i64>) -> Vec<Stored> {
        let frame = Frame { topic: Topic::Seats, follow: None, json: Bytes::from_static(b"{}") };
        seqs.into_iter().map(|seq| Stored { seq, at: at(seq), frame: frame.clone() }).collect()
    }

    fn page(after: Pos, seqs: impl IntoIterator<Item = i64>) -> Page {
        let head = Head { venue: VenueId(uuid::Uuid::nil()), seq: 9, at: at(9) };
        Page::of(after, &head, rows(seqs))
    }

    #[test]
    fn what_follows_is_given_when_it_is_proved() {
        let after = Pos::new(5, at(5));
        assert_eq!(page(after, 5..=7).rows, rows(6..=7));
        assert_eq!(page(after, 5..=7).pos, Pos::new(7, at(7)));
        assert_eq!(page(Pos::new(9, at(9)), [9]), Page::at(Pos::new(9, at(9))));
        assert_eq!(page(Pos::new(0, at(0)), 1..=2).rows, rows(1..=2));
    }

    #[test]
    fn doubt_means_resync() {
        assert!(page(Pos::new(5, at(6)), 5..=7).resync, "another fingerprint");
        assert!(page(Pos::new(5, at(5)), 7..=9).resync, "pruned");
        assert!(page(Pos::new(12, at(12)), []).resync, "ahead of the log");
        assert!(page(Pos::new(9, at(8)), [9]).resync, "another head");
        assert!(page(Pos::new(0, at(0)), 4..=9).resync, "the beginning is gone");
    }

    #[test]
    fn a_reference_leads_to_its_event_by_number() {
        let head = Head { venue: VenueId(uuid::Uuid::nil()), seq: 9, at: at(9) };
        assert_eq!(place("6", true).ok(), Some(Place::Number(6)));
        assert!(place("6", false).is_err() && place("-6", true).is_err());
        assert_eq!(place("6-1y", true).ok(), Some(Place::Proved("6-1y".parse().unwrap())));
        assert_eq!(Page::from(6, &head, rows([7])).rows, rows([7]));
        assert!(Page::from(6, &head, rows([8])).resync, "pruned");
        assert!(!Page::from(9, &head, rows([])).resync);
    }

    #[test]
    fn only_open_topics_are_written() {
        let page = page(Pos::new(5, at(5)), 5..=7);
        let all =
            String::from_utf8(page.to_json(&Grant::following(Topic::Seats.mask(), &[]))).unwrap();
        assert_eq!(all, r#"{"items":[{},{}],"pos":"7-1y","resync":false}"#);
        let none =
            String::from_utf8(page.to_json(&Grant::following(Topic::Floor.mask(), &[]))).unwrap();
        assert_eq!(none, r#"{"items":[],"pos":"7-1y","resync":false}"#);
    }
}
