//! Up to 200 operations of any kind in one transaction: all of them, or none.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Done, Input, Once, Path, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::ids::{GuestId, LevelId, ReservationId, SectionId, TableId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::carry_out::finish;
use crate::change_guest::{self, ChangeGuest, change_guest};
use crate::change_level::{ChangeLevel, change_level};
use crate::change_reservation::{self, ChangeReservation};
use crate::change_section::{self, ChangeSection, change_section};
use crate::change_table::{ChangeTable, change_table};
use crate::create_level::{CreateLevel, create_level};
use crate::create_section::{self, CreateSection, create_section};
use crate::create_table::{CreateTable, create_table};
use crate::floor::{Fate, Floor, Key, Touched};
use crate::join_guests::{
    SplitGuest, WithGuest, merge_guests, split_guest, swap_guests, touched_by_split,
};
use crate::model::{Guest, Table};
use crate::reads::VenuePath;
use crate::receive_guest::{self, ReceiveGuest};
use crate::reservation::Reservation;
use crate::reserve_table::{self, ReserveTable, reserve_table};
use crate::seat_guest::{self, SeatGuest, move_guest};
use crate::step_guest::{Seen, Step, step_guest};
use crate::step_reservation::{arrive, cancel, no_show};
use crate::store::floor;
use crate::{FloorError, delete_guest, delete_level, delete_section, delete_table, event};

/// Operations of one batch.
pub const OPERATIONS_MAX: usize = edge::limits::FLOOR_OPERATIONS_MAX;

/// Whoever sits down now minds reservations so far ahead, also in a batch that minds another day.
const SOON: SignedDuration = SignedDuration::from_hours(13);

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $of:ty),* },)*) => {
        /// One operation. `body` is what the operation of the same name takes on its own, with the
        /// version that was seen.
        #[derive(Clone, Debug, Deserialize, ToSchema)]
        #[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Operation { $(
            $(#[$doc])*
            $name {
                $(
                    /// Of the operation of the same name.
                    $field: $of,
                )*
            },
        )* }
    };
}

operations! {
    /// `createTable`
    CreateTable { body: CreateTable },
    /// `changeTable`
    ChangeTable { id: TableId, body: ChangeTable },
    /// `deleteTable`
    DeleteTable { id: TableId, body: Seen },
    /// `createSection`
    CreateSection { body: CreateSection },
    /// `changeSection`
    ChangeSection { id: SectionId, body: ChangeSection },
    /// `deleteSection`
    DeleteSection { id: SectionId, body: Seen },
    /// `createLevel`
    CreateLevel { body: CreateLevel },
    /// `changeLevel`
    ChangeLevel { id: LevelId, body: ChangeLevel },
    /// `deleteLevel`
    DeleteLevel { id: LevelId, body: Seen },
    /// `receiveGuest`
    ReceiveGuest { body: ReceiveGuest },
    /// `changeGuest`
    ChangeGuest { id: GuestId, body: ChangeGuest },
    /// `deleteGuest`
    DeleteGuest { id: GuestId, body: Seen },
    /// `seatGuest`
    SeatGuest { id: GuestId, body: SeatGuest },
    /// `moveGuest`
    MoveGuest { id: GuestId, body: SeatGuest },
    /// `mergeGuests`
    MergeGuests { id: GuestId, body: WithGuest },
    /// `swapGuests`
    SwapGuests { id: GuestId, body: WithGuest },
    /// `splitGuest`
    SplitGuest { id: GuestId, body: SplitGuest },
    /// `notifyGuest`
    NotifyGuest { id: GuestId, body: Seen },
    /// `markGuestArrived`
    MarkGuestArrived { id: GuestId, body: Seen },
    /// `cancelGuest`
    CancelGuest { id: GuestId, body: Seen },
    /// `markGuestNoShow`
    MarkGuestNoShow { id: GuestId, body: Seen },
    /// `unseatGuest`
    UnseatGuest { id: GuestId, body: Seen },
    /// `completeGuest`
    CompleteGuest { id: GuestId, body: Seen },
    /// `undoGuest`
    UndoGuest { id: GuestId, body: Seen },
    /// `reserveTable`
    ReserveTable { body: ReserveTable },
    /// `changeReservation`
    ChangeReservation { id: ReservationId, body: ChangeReservation },
    /// `arriveForReservation`
    ArriveForReservation { id: ReservationId, body: Seen },
    /// `cancelReservation`
    CancelReservation { id: ReservationId, body: Seen },
    /// `markReservationNoShow`
    MarkReservationNoShow { id: ReservationId, body: Seen },
}

/// Operations in their order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunBatch {
    /// Each sees what those before it did.
    #[schema(min_items = 1, max_items = 200)]
    pub operations: Vec<Operation>,
    /// Answer with the parties, tables and reservations that were changed, too.
    #[schema(nullable = false)]
    pub whole: Option<bool>,
}

impl Input for RunBatch {
    fn check(&self, errors: &mut Errors) {
        let fits = (1..=OPERATIONS_MAX).contains(&self.operations.len());
        errors.require(fits, "/operations", "length", "Give 1 to 200 operations.");
        for (n, operation) in self.operations.iter().enumerate() {
            let mut own = Errors::default();
            operation.check(&mut own);
            for error in own.iter() {
                let pointer = format!("/operations/{n}/body{}", error.pointer);
                errors.require(false, pointer, error.code, error.detail.clone());
            }
        }
    }
}

/// An entity that the batch has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// `table`, `section`, `level`, `guest` or `reservation`.
    #[schema(example = "guest")]
    pub entity: String,
    /// Which one.
    pub id: Uuid,
    /// Its version now.
    pub version: i64,
    /// What became of it last.
    #[schema(example = "seated")]
    pub action: String,
}

/// What a batch has changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchDone {
    /// Each entity once, in the order in which it was first changed.
    pub changed: Vec<Changed>,
    /// The parties that were changed, as they are now; where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub guests: Option<Vec<Guest>>,
    /// The tables that were changed, as they are now; where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tables: Option<Vec<Table>>,
    /// The reservations that were changed, as they are now; where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reservations: Option<Vec<Reservation>>,
}

impl Versioned for BatchDone {}

/// Run a batch
///
/// All operations or none, each with the version that was seen. The one that is refused is named in
/// `errors` as `/operations/{n}`. Listeners hear all events together, and
/// `atomic_transaction_complete` behind them.
#[utoipa::path(
    operation_id = "runFloorBatch", tag = "floor",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = RunBatch, security(("bearer" = [])),
    responses((status = 200, body = BatchDone), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/floor/batch")]
pub(crate) async fn post_batch(
    actor: Actor<can::SeatGuests>,
    once: Once,
    _at: Path<VenuePath>,
    cmd: Body<RunBatch>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| run_batch(tx, &cmd).await.map(Done)).await
}

/// The rule.
///
/// # Errors
/// `InBatch` with the refusal of the operation that failed.
pub async fn run_batch(tx: &mut Tx, cmd: &RunBatch) -> Result<BatchDone, FloorError> {
    let touched = cmd
        .operations
        .iter()
        .fold(Touched::default(), |all, operation| all.and(operation.touches(tx)));
    let touched = touched.and_soon(tx.now(), SOON);
    let mut found = floor::lock_floor(tx, &touched).await?;
    for (n, operation) in cmd.operations.iter().enumerate() {
        let done = operation.apply(&mut found);
        done.map_err(|error| FloorError::InBatch(n, Box::new(error)))?;
    }
    finish(tx, &found)?;
    tx.emit(event::complete(tx.venue()?)?);
    Ok(done(&found, cmd.whole == Some(true)))
}

/// What the batch has changed; the changed ones themselves too, if `whole`.
fn done(floor: &Floor, whole: bool) -> BatchDone {
    let kept = || floor.told.iter().filter(|told| told.fate != Fate::Deleted).map(|told| told.key);
    let guests = kept().filter_map(|key| match key {
        Key::Guest(id) => floor.guests.get(&id).map(|party| party.guest.clone()),
        _ => None,
    });
    let tables = kept().filter_map(|key| match key {
        Key::Table(id) => floor.tables.get(&id).cloned(),
        _ => None,
    });
    let reservations = kept().filter_map(|key| match key {
        Key::Reservation(id) => floor.reservations.get(&id).cloned(),
        _ => None,
    });
    BatchDone {
        changed: changed(floor),
        guests: whole.then(|| guests.collect()),
        tables: whole.then(|| tables.collect()),
        reservations: whole.then(|| reservations.collect()),
    }
}

fn changed(floor: &Floor) -> Vec<Changed> {
    let of = |key| match key {
        Key::Level(id) => ("level", id.0, floor.levels.get(&id).map(|it| it.version)),
        Key::Section(id) => ("section", id.0, floor.sections.get(&id).map(|it| it.version)),
        Key::Table(id) => ("table", id.0, floor.tables.get(&id).map(|it| it.version)),
        Key::Guest(id) => ("guest", id.0, floor.guests.get(&id).map(|it| it.guest.version)),
        Key::Reservation(id) => {
            ("reservation", id.0, floor.reservations.get(&id).map(|it| it.version))
        }
    };
    let told = floor.told.iter().map(|told| {
        let (entity, id, version) = of(told.key);
        let (entity, action) = (entity.to_owned(), told.action.to_owned());
        Changed { entity, id, version: version.unwrap_or(0), action }
    });
    told.collect()
}

impl Operation {
    fn check(&self, errors: &mut Errors) {
        match self {
            Self::CreateTable { body } => body.check(errors),
            Self::ChangeTable { body, .. } => body.check(errors),
            Self::CreateSection { body } => body.check(errors),
            Self::ChangeSection { body, .. } => body.check(errors),
            Self::CreateLevel { body } => body.check(errors),
            Self::ChangeLevel { body, .. } => body.check(errors),
            Self::ReserveTable { body } => body.check(errors),
            Self::ChangeReservation { body, .. } => body.check(errors),
            Self::ReceiveGuest { body } => body.check(errors),
            Self::ChangeGuest { body, .. } => body.check(errors),
            Self::SplitGuest { body, .. } => body.check(errors),
            _ => {}
        }
    }

    fn touches(&self, tx: &Tx) -> Touched {
        match self {
            Self::CreateTable { .. } => Touched::default(),
            Self::CreateSection { body } => create_section::touched(body),
            Self::ChangeTable { id, .. } => Touched::table(*id),
            Self::DeleteTable { id, .. } => delete_table::touched_by_deleting(tx, *id),
            Self::ChangeSection { id, body } => change_section::touched(*id, body),
            Self::CreateLevel { .. } | Self::ChangeLevel { .. } => {
                Touched::default().and_levels(true)
            }
            Self::DeleteLevel { .. } => delete_level::touched_by_deleting(),
            Self::DeleteSection { id, .. } => delete_section::touched_by_deleting(*id),
            Self::ReceiveGuest { body } => receive_guest::touched(body),
            Self::SeatGuest { id, body } | Self::MoveGuest { id, body } => {
                seat_guest::touched(*id, body)
            }
            Self::MergeGuests { id, body } | Self::SwapGuests { id, body } => {
                Touched::guest(*id).and_guest(body.with)
            }
            Self::SplitGuest { id, body } => touched_by_split(*id, body),
            Self::ReserveTable { body } => reserve_table::touched(body.starts_at),
            Self::ChangeReservation { id, body } => {
                change_reservation::touched_in_batch(tx, *id, body)
            }
            Self::ArriveForReservation { id, .. }
            | Self::CancelReservation { id, .. }
            | Self::MarkReservationNoShow { id, .. } => Touched::reservation(*id),
            Self::ChangeGuest { id, body } => change_guest::touched(*id, body),
            Self::DeleteGuest { id, .. }
            | Self::NotifyGuest { id, .. }
            | Self::MarkGuestArrived { id, .. }
            | Self::CancelGuest { id, .. }
            | Self::MarkGuestNoShow { id, .. }
            | Self::UnseatGuest { id, .. }
            | Self::CompleteGuest { id, .. }
            | Self::UndoGuest { id, .. } => Touched::guest(*id),
        }
    }

    fn apply(&self, floor: &mut Floor) -> Result<(), FloorError> {
        match self {
            Self::CreateTable { body } => create_table(floor, body).map(drop),
            Self::ChangeTable { id, body } => {
                change_table(floor, *id, body.version, body).map(drop)
            }
            Self::DeleteTable { id, body } => delete_table::remove_table(floor, *id, body.version),
            Self::CreateSection { body } => create_section(floor, body).map(drop),
            Self::ChangeSection { id, body } => {
                change_section(floor, *id, body.version, body).map(drop)
            }
            Self::DeleteSection { id, body } => {
                delete_section::remove_section(floor, *id, body.version)
            }
            Self::CreateLevel { body } => {
                create_level(floor, body);
                Ok(())
            }
            Self::ChangeLevel { id, body } => {
                change_level(floor, *id, body.version, body).map(drop)
            }
            Self::DeleteLevel { id, body } => delete_level::remove_level(floor, *id, body.version),
            _ => self.apply_to_guests(floor),
        }
    }

    fn apply_to_guests(&self, floor: &mut Floor) -> Result<(), FloorError> {
        match self {
            Self::ReceiveGuest { body } => receive_guest::receive_guest(floor, body).map(drop),
            Self::ChangeGuest { id, body } => {
                change_guest(floor, *id, body.version, body).map(drop)
            }
            Self::DeleteGuest { id, body } => delete_guest::remove_guest(floor, *id, body.version),
            Self::ReserveTable { body } => reserve_table(floor, body).map(drop),
            Self::ChangeReservation { id, body } => {
                change_reservation::change(floor, *id, body.version, body).map(drop)
            }
            Self::ArriveForReservation { id, body } => arrive(floor, *id, body.version).map(drop),
            Self::CancelReservation { id, body } => {
                cancel(floor, *id, body.version, None).map(drop)
            }
            Self::MarkReservationNoShow { id, body } => no_show(floor, *id, body.version).map(drop),
            _ => self.apply_seating(floor),
        }
    }

    fn apply_seating(&self, floor: &mut Floor) -> Result<(), FloorError> {
        let mut step =
            |id: &GuestId, body: &Seen, step| step_guest(floor, *id, body.version, step).map(drop);
        match self {
            Self::NotifyGuest { id, body } => step(id, body, Step::Notify),
            Self::MarkGuestArrived { id, body } => step(id, body, Step::Arrive),
            Self::CancelGuest { id, body } => step(id, body, Step::Cancel),
            Self::MarkGuestNoShow { id, body } => step(id, body, Step::NoShow),
            Self::UnseatGuest { id, body } => step(id, body, Step::Unseat),
            Self::CompleteGuest { id, body } => step(id, body, Step::Complete),
            Self::UndoGuest { id, body } => step(id, body, Step::Undo),
            Self::SeatGuest { id, body } => {
                seat_guest::seat_guest(floor, *id, body.version, body).map(drop)
            }
            Self::MoveGuest { id, body } => move_guest(floor, *id, body.version, body).map(drop),
            Self::MergeGuests { id, body } => {
                merge_guests(floor, *id, body.version, body).map(drop)
            }
            Self::SwapGuests { id, body } => swap_guests(floor, *id, body.version, body).map(drop),
            Self::SplitGuest { id, body } => split_guest(floor, *id, body.version, body).map(drop),
            _ => Ok(()),
        }
    }
}
