//! A party comes: into the line, or to a table at once.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::{GuestId, TableId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::model::{Guest, GuestStatus, Party};
use crate::reads::VenuePath;
use crate::seating::Care;

/// The longest wait that is quoted, in minutes.
const QUOTE_MAX_MINUTES: i32 = 600;

/// Who came.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveGuest {
    /// The name that is called.
    #[schema(min_length = 1, max_length = 120, example = "John Doe")]
    pub guest_name: String,
    /// How many they are.
    #[schema(minimum = 1, maximum = 100, example = 4)]
    pub party_size: i32,
    /// Where they can be reached.
    #[schema(nullable = false, max_length = 40)]
    pub phone: Option<String>,
    /// Where they are written to when their table is ready.
    #[schema(nullable = false, max_length = 254, example = "ana@example.org")]
    pub email: Option<String>,
    /// What the host should know.
    #[schema(nullable = false, max_length = 2000)]
    pub notes: Option<String>,
    /// What the kitchen must know.
    #[schema(nullable = false, max_length = 1000)]
    pub allergies: Option<String>,
    /// Short marks.
    #[schema(nullable = false, max_items = 20, example = json!(["birthday"]))]
    pub flags: Option<Vec<String>>,
    /// The least wait that they were told, in minutes.
    #[schema(nullable = false, minimum = 0, maximum = 600)]
    pub quoted_from_minutes: Option<i32>,
    /// The longest wait that they were told, in minutes.
    #[schema(nullable = false, minimum = 0, maximum = 600)]
    pub quoted_to_minutes: Option<i32>,
    /// Tables to seat them at, at once.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    pub tables: Option<Vec<TableId>>,
    /// Seat them although they do not fit, or the table is promised; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
}

impl Input for ReceiveGuest {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.guest_name, "/guestName", (1, 120));
        check_party(Some(self.party_size), errors);
        if let Some(email) = &self.email {
            errors.email(email, "/email");
        }
        check_words(
            [self.phone.as_deref(), self.notes.as_deref(), self.allergies.as_deref()],
            self.flags.as_deref(),
            errors,
        );
        check_quote(self.quoted_from_minutes, self.quoted_to_minutes, errors);
    }
}

pub(crate) fn check_party(size: Option<i32>, errors: &mut Errors) {
    let fits = size.is_none_or(|size| (1..=100).contains(&size));
    errors.require(fits, "/partySize", "range", "A party has 1 to 100 guests.");
}

/// The rules of phone, notes and allergies, and of the flags.
pub(crate) fn check_words(
    [phone, notes, allergies]: [Option<&str>; 3],
    flags: Option<&[String]>,
    errors: &mut Errors,
) {
    let limits = [(phone, "/phone", 40), (notes, "/notes", 2000), (allergies, "/allergies", 1000)];
    for (text, pointer, most) in limits {
        if let Some(text) = text {
            errors.text(text, pointer, (0, most));
        }
    }
    let flags = flags.unwrap_or_default();
    errors.require(flags.len() <= 20, "/flags", "length", "At most 20 flags.");
    for (n, flag) in flags.iter().enumerate() {
        errors.text(flag, &format!("/flags/{n}"), (1, 40));
    }
}

pub(crate) fn check_quote(from: Option<i32>, to: Option<i32>, errors: &mut Errors) {
    let good = match (from, to) {
        (None, None) => true,
        (Some(from), Some(to)) => 0 <= from && from <= to && to <= QUOTE_MAX_MINUTES,
        _ => false,
    };
    let detail = "Give both, 0 to 600 minutes, the shorter wait first.";
    errors.require(good, "/quotedFromMinutes", "range", detail);
}

/// Receive a party
///
/// It waits, or sits down at `tables` at once. The time of its coming is its place in the line.
#[utoipa::path(
    operation_id = "receiveGuest", tag = "floor", params(VenuePath), request_body = ReceiveGuest,
    security(("bearer" = [])), responses((status = 201, body = Guest), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests")]
pub(crate) async fn post_guest(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<ReceiveGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = touched(&cmd);
        carry_out(tx, &touched, |floor| receive_guest(floor, &cmd)).await.map(Created)
    })
    .await
}

pub(crate) fn touched(cmd: &ReceiveGuest) -> Touched {
    Touched::default().and_tables(Some(cmd.tables.as_deref().unwrap_or_default()))
}

/// The rule.
pub(crate) fn receive_guest(floor: &mut Floor, cmd: &ReceiveGuest) -> Result<Guest, FloorError> {
    let id = GuestId::fresh(floor.now);
    let party = new_party(id, cmd, floor.now);
    floor.guests.insert(id, party);
    floor.tell(Key::Guest(id), Fate::Created, "created");
    if let Some(tables) = &cmd.tables {
        floor.seat(id, tables, Care::of(cmd.anyway == Some(true)))?;
    }
    Ok(floor.guest(id)?.guest.clone())
}

fn new_party(id: GuestId, cmd: &ReceiveGuest, now: Timestamp) -> Party {
    let guest = Guest {
        id,
        guest_name: cmd.guest_name.trim().to_owned(),
        party_size: cmd.party_size,
        phone: cmd.phone.clone(),
        email: cmd.email.as_ref().map(|email| email.trim().to_owned()),
        notes: cmd.notes.clone(),
        allergies: cmd.allergies.clone(),
        flags: cmd.flags.clone().unwrap_or_default(),
        status: GuestStatus::Waiting,
        table_id: None,
        table_ids: Vec::new(),
        section_id: None,
        over_capacity: false,
        reservation_id: None,
        quoted_from_minutes: cmd.quoted_from_minutes,
        quoted_to_minutes: cmd.quoted_to_minutes,
        waited_minutes: None,
        created_at: now,
        notified_at: None,
        arrived_at: None,
        seated_at: None,
        ended_at: None,
        version: 1,
    };
    Party {
        guest,
        link_hash: None,
        previous_status: None,
        previous_tables: Vec::new(),
        stepped_at: None,
    }
}
