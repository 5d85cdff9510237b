//! What is kept of a person, put together from the slices: given to them, or erased.

use actix_web::{HttpResponse, get, post, web};
use anyhow::Context as _;
use booking::BookingError;
use booking::model::Booking;
use booking::waiting::Waiting;
use bus::Control;
use clap::Subcommand;
use edge::{Actor, App, Body, Input, ReadRefusals, Rejection, WriteRefusals, can};
use floor::reservation::Reservation;
use identity::{IdentityError, PersonKept};
use jiff::Timestamp;
use kernel::clock::Clock;
use kernel::ids::{UserId, VenueId};
use kernel::problem::{FieldError, Problem};
use kernel::scope::{Origin, Scope};
use pg::audit::Forgotten;
use pg::write::Refusal;
use pg::{Db, DbError, Outcome, Reader, Reply, Tx, WriteTask};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::Database;

/// All that is kept of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kept {
    identity: PersonKept,
    bookings: Vec<Booking>,
    /// Places in line for seats.
    waiting: Vec<Waiting>,
    reservations: Vec<Reservation>,
    /// Chairs and wishes as a guest with a ticket.
    galas: Vec<gala::erase_person::GalaKept>,
    /// Tickets with the person's address.
    tickets: Vec<tickets::model::Ticket>,
    /// Orders of a spa that were made while signed in.
    orders: Vec<spa::model::Order>,
    /// The person as a therapist.
    therapist: Vec<spa::erase_person::TherapistKept>,
    /// What was paid for the bookings and the orders.
    payments: Vec<payments::model::Payment>,
    mails: Vec<MailKept>,
}

/// A mail that was sent to the person, or will be. What it said is not kept once it is sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailKept {
    /// What it was about.
    #[schema(example = "password_reset")]
    kind: String,
    /// Its subject.
    subject: String,
    /// `queued`, `sent` or `failed`.
    state: String,
    /// When it was queued.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<notify::MailKept> for MailKept {
    fn from(mail: notify::MailKept) -> Self {
        let notify::MailKept { kind, subject, state, created_at } = mail;
        Self { kind, subject, state, created_at }
    }
}

/// Collects what the slices keep, in a job's scope: a person is in many venues. A new slice adds its
/// line here, and one to `erase_from_slices`.
async fn collect(q: &mut Reader, user: UserId) -> Result<Kept, PersonError> {
    let identity = identity::export_person(q, user).await?;
    let mails = notify::export_person(q, identity.email()).await?;
    let galas = gala::erase_person::export_person(q, identity.email()).await?;
    let bookings = booking::erase_person::export_person(q, user).await?;
    let orders = spa::erase_person::export_orders(q, user).await?;
    let paid_for: Vec<Uuid> = bookings
        .iter()
        .map(|booking| booking.id.0)
        .chain(orders.iter().map(|order| order.id.0))
        .collect();
    Ok(Kept {
        payments: payments::erase_person::export_person(q, &paid_for).await?,
        therapist: spa::erase_person::export_profiles(q, user).await?,
        bookings,
        orders,
        waiting: booking::erase_person::export_waiting(q, user).await?,
        reservations: floor::erase_person::export_person(q, user).await?,
        galas,
        tickets: tickets::erase_person::export_person(q, identity.email()).await?,
        mails: mails.into_iter().map(MailKept::from).collect(),
        identity,
    })
}

/// Erases what the slices keep; gives the ids of all that told of the person.
async fn erase_from_slices(tx: &mut Tx, user: UserId) -> Result<Vec<Uuid>, PersonError> {
    let identity::Erased { email, mut things } = identity::erase_person(tx, user).await?;
    // First: it finds a guest by the address on the ticket.
    things.extend(gala::erase_person::erase_person(tx, &email).await?);
    things.extend(tickets::erase_person::erase_person(tx, user, &email).await?);
    let bookings = booking::erase_person::erase_person(tx, user, &email).await?;
    let spa::erase_person::Erased { orders, served } =
        spa::erase_person::erase_person(tx, user).await?;
    for paid_for in [bookings, orders] {
        things.extend(payments::erase_person::erase_person(tx, &paid_for).await?);
        things.extend(paid_for);
    }
    things.extend(served);
    things.extend(floor::erase_person::erase_person(tx, user, &email).await?);
    notify::erase_person(tx, &email, &things).await?;
    Ok(things)
}

/// Whose data goes for ever.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EraseMe {
    /// One's own address, typed once more: there is no way back.
    #[schema(max_length = 254, example = "ana@example.org")]
    pub email: String,
}

impl Input for EraseMe {}

/// A slice's refusal on the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PersonError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Booking(#[from] BookingError),
    #[error(transparent)]
    Spa(#[from] spa::SpaError),
    #[error(transparent)]
    Gala(#[from] gala::GalaError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the address is another one")]
    OtherAddress,
}

impl Refusal for PersonError {
    fn problem(&self) -> Problem {
        match self {
            Self::Identity(error) => error.problem(),
            Self::Booking(error) => error.problem(),
            Self::Spa(error) => error.problem(),
            Self::Gala(error) => error.problem(),
            Self::Db(error) => error.problem(),
            Self::OtherAddress => {
                let detail = "Type the address that you sign in with. Nothing was erased.";
                let pointer = "/email".to_owned();
                let error = FieldError { pointer, code: "other", detail: detail.to_owned() };
                Problem::new(422, "identity.other_address", "That is not your address", detail)
                    .with_errors(vec![error])
            }
        }
    }
}

/// Export what is kept of me
///
/// As one JSON document: the account, roles, sign-ins, invitations and mails, bookings, places in
/// line, reservations, tickets, orders and payments in all venues. It is written
/// down that it was given out.
#[utoipa::path(
    operation_id = "exportMe", tag = "identity",
    responses((status = 200, body = Kept), ReadRefusals)
)]
#[get("/api/v1/me/export")]
pub(crate) async fn get_export(
    actor: Actor<can::ActForSelf>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let user = actor.user()?;
    let kept = app.db().read(Scope::job(), async |q| collect(q, user).await).await;
    let kept = kept.map_err(|error| Rejection::of(&error))?;
    let noted = app.write(&actor, None, async move |tx| {
        tx.audit("person_exported", ("user", user.0), &serde_json::json!({}))
    });
    noted.await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Disposition", "attachment; filename=\"rowlock-export.json\""))
        .json(kept))
}

/// Erase me
///
/// Name, address and password go, also from bookings and from the logs; every session ends. What
/// was booked and paid stays without a person. The last owner of a venue has to hand it over first.
#[utoipa::path(
    operation_id = "eraseMe", tag = "identity", request_body = EraseMe,
    responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/me/erase")]
pub(crate) async fn post_erase(
    actor: Actor<can::ActForSelf>,
    cmd: Body<EraseMe>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let user = actor.user()?;
    let app = app.as_ref().clone();
    // To its end, even when the client goes away: its sockets have to be closed.
    let running = actix_web::rt::spawn(async move {
        let named = identity::find_person(app.db(), &cmd.email).await.ok();
        if named != Some(user) {
            return Err(PersonError::OtherAddress);
        }
        let forgotten = erase(app.db(), user, Some(user)).await?;
        app.bus().publish_control(Control::UserRevoked { user });
        for (venue, until) in forgotten {
            app.bus().publish_control(Control::EventsForgotten { venue, until });
        }
        Ok(())
    });
    match running.await {
        Ok(Ok(())) => Ok(HttpResponse::NoContent().finish()),
        Ok(Err(error)) => Err(Rejection::of(&error)),
        Err(_) => Err(Rejection::of(&DbError::Replay)),
    }
}

/// Up to where the logs of venues were blanked.
struct Heads(Vec<(VenueId, i64)>);

impl Reply for Heads {
    fn status(&self) -> u16 {
        204
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// The whole of it in one transaction of a job: a person is in many venues.
async fn erase(
    db: &Db,
    user: UserId,
    by: Option<UserId>,
) -> Result<Vec<(VenueId, i64)>, PersonError> {
    let scope = Scope { user: by, ..Scope::job() };
    // No address with it: it would be the first thing to forget.
    let task = WriteTask { origin: Origin::default(), ..WriteTask::job("erase_person", scope) };
    let erased = db.write(&task, async |tx| {
        let things = erase_from_slices(tx, user).await?;
        let Forgotten { acts, events, heads } = tx.forget_person(user.0, &things).await?;
        // For workers that nobody tells, and for those that are told too early.
        identity::note_forgotten(tx, &heads);
        let detail = serde_json::json!({ "acts": acts, "events": events });
        tx.audit("person_erased", ("user", user.0), &detail)?;
        Ok::<_, PersonError>(Heads(heads))
    });
    match erased.await? {
        Outcome::Done { value: Heads(heads), .. } => Ok(heads),
        Outcome::Replayed(_) => Err(DbError::Replay.into()),
    }
}

/// One round of the job that takes away what told of customers of a spa who have no account and were
/// erased: what staff wrote at the till, and the words of the logs.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub(crate) async fn forget_customers(app: &App) -> Result<(), PersonError> {
    let task = WriteTask::job("forget_customers", Scope::job());
    let forgotten = app.db().write(&task, async |tx| {
        let orders = spa::erase_customer::claim_erased(tx).await?;
        // An order stands for its customer, who is nobody else here.
        let Some(first) = orders.first().copied() else { return Ok(Heads(Vec::new())) };
        let mut things = payments::erase_person::erase_person(tx, &orders).await?;
        things.extend(orders);
        let heads = tx.forget_person(first, &things).await?.heads;
        identity::note_forgotten(tx, &heads);
        Ok::<_, PersonError>(Heads(heads))
    });
    if let Outcome::Done { value: Heads(heads), .. } = forgotten.await? {
        for (venue, until) in heads {
            app.bus().publish_control(Control::EventsForgotten { venue, until });
        }
    }
    Ok(())
}

/// `rowlock person`
#[derive(Clone, Subcommand)]
pub(crate) enum PersonCommand {
    /// Erase what is kept of a person. There is no way back.
    Erase {
        #[command(flatten)]
        database: Database,
        /// The address that they have registered with.
        #[arg(long)]
        email: String,
    },
}

/// Runs it.
pub(crate) async fn run(command: PersonCommand) -> anyhow::Result<()> {
    let PersonCommand::Erase { database, email } = command;
    let db = Db::new(&database.config()?, Clock::default()).map_err(anyhow::Error::msg)?;
    let user = identity::find_person(&db, &email).await.context("nobody was erased")?;
    erase(&db, user, None).await.context("nobody was erased")?;
    println!("erased {user}; open sockets of theirs end with their access token");
    Ok(())
}
