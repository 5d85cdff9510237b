//! Change what is known of a party, and bring it to where it is to stand and sit: each step has an
//! operation of its own, but a client that has the party as it should be need not know which.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{GuestId, TableId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Floor, Key, Touched};
use crate::model::{Guest, GuestStatus};
use crate::reads::GuestPath;
use crate::receive_guest::{check_party, check_quote, check_words};
use crate::seating::Care;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeGuest {
    /// The name that is called.
    #[schema(nullable = false, min_length = 1, max_length = 120)]
    pub guest_name: Option<String>,
    /// How many they are.
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    pub party_size: Option<i32>,
    /// Where they can be reached; an empty text takes it away.
    #[schema(nullable = false, max_length = 40)]
    pub phone: Option<String>,
    /// Where they are written to when their table is ready; an empty text takes it away.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
    /// What the host should know; an empty text takes it away.
    #[schema(nullable = false, max_length = 2000)]
    pub notes: Option<String>,
    /// What the kitchen must know; an empty text takes it away.
    #[schema(nullable = false, max_length = 1000)]
    pub allergies: Option<String>,
    /// Short marks, all of them.
    #[schema(nullable = false, max_items = 20)]
    pub flags: Option<Vec<String>>,
    /// The least wait that they were told, in minutes.
    #[schema(nullable = false, minimum = 0, maximum = 600)]
    pub quoted_from_minutes: Option<i32>,
    /// The longest wait that they were told, in minutes.
    #[schema(nullable = false, minimum = 0, maximum = 600)]
    pub quoted_to_minutes: Option<i32>,
    /// Where it is to stand: the step that leads there is taken. Where none does, it is 409.
    #[schema(nullable = false)]
    pub status: Option<GuestStatus>,
    /// Where it is to sit; chosen by the server for a party that is to be seated, unless given.
    #[schema(nullable = false, max_items = 10)]
    pub tables: Option<Vec<TableId>>,
    /// Seat it although it does not fit, or the table is promised; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeGuest {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.guest_name {
            errors.text(name, "/guestName", (1, 120));
        }
        check_party(self.party_size, errors);
        if let Some(email) = self.email.as_deref().filter(|email| !email.is_empty()) {
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

/// Change a party
///
/// Give the version that was seen, in `If-Match` or in the body: a stale one is 412 with the
/// present state. With `status` or `tables` the party is brought there in the same transaction:
/// seated, moved, unseated, completed, told, or given up.
#[utoipa::path(
    operation_id = "changeGuest", tag = "floor", params(GuestPath), request_body = ChangeGuest,
    security(("bearer" = [])), responses((status = 200, body = Guest), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/guests/{guest}")]
pub(crate) async fn patch_guest(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<ChangeGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (touched(guest, &cmd), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| change_guest(floor, guest, seen, &cmd)).await.map(Done)
    })
    .await
}

/// All tables only where the server has to choose some.
pub(crate) fn touched(id: GuestId, cmd: &ChangeGuest) -> Touched {
    let any = cmd.status == Some(GuestStatus::Seated) && cmd.tables.is_none();
    let named = cmd.tables.as_deref().unwrap_or_default();
    Touched::guest(id).and_tables((!any).then_some(named))
}

/// The rule.
pub(crate) fn change_guest(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &ChangeGuest,
) -> Result<Guest, FloorError> {
    floor.check_seen(Key::Guest(id), seen)?;
    let guest = &mut floor.change_guest(id, "changed")?.guest;
    if let Some(name) = &cmd.guest_name {
        name.trim().clone_into(&mut guest.guest_name);
    }
    guest.party_size = cmd.party_size.unwrap_or(guest.party_size);
    let texts = [
        (&cmd.phone, &mut guest.phone),
        (&cmd.email, &mut guest.email),
        (&cmd.notes, &mut guest.notes),
        (&cmd.allergies, &mut guest.allergies),
    ];
    for (new, old) in texts {
        if let Some(new) = new {
            *old = Some(new.clone()).filter(|text| !text.is_empty());
        }
    }
    if let Some(flags) = &cmd.flags {
        guest.flags.clone_from(flags);
    }
    guest.quoted_from_minutes = cmd.quoted_from_minutes.or(guest.quoted_from_minutes);
    guest.quoted_to_minutes = cmd.quoted_to_minutes.or(guest.quoted_to_minutes);
    if cmd.status.is_some() || cmd.tables.is_some() {
        let care = Care::of(cmd.anyway == Some(true));
        floor.bring(id, cmd.status, cmd.tables.as_deref(), care)?;
    }
    Ok(floor.guest(id)?.guest.clone())
}
