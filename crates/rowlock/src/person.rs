//! What is kept of a person, put together from the slices: given to them, or erased.

use actix_web::{HttpResponse, get, post, web};
use anyhow::Context as _;
use booking::BookingError;
use booking::model::Booking;
use bus::Control;
use clap::Subcommand;
use edge::{Actor, App, Body, Input, ReadRefusals, Rejection, WriteRefusals, can};
use identity::{IdentityError, PersonKept};
use kernel::clock::Clock;
use kernel::ids::UserId;
use kernel::problem::{FieldError, Problem};
use kernel::scope::{Origin, Scope};
use pg::write::Refusal;
use pg::{Db, DbError, WriteTask};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::config::Database;

/// The operations, for the document.
#[derive(OpenApi)]
#[openapi(paths(get_export, post_erase))]
pub(crate) struct Api;

/// All that is kept of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kept {
    identity: PersonKept,
    bookings: Vec<Booking>,
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
    Db(#[from] DbError),
    #[error("the address is another one")]
    OtherAddress,
}

impl Refusal for PersonError {
    fn problem(&self) -> Problem {
        match self {
            Self::Identity(error) => error.problem(),
            Self::Booking(error) => error.problem(),
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
/// As one JSON document: the account, roles, sign-ins and bookings in all venues. It is written
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
    let kept = app
        .read(&actor, async |q| {
            let identity = identity::export_person(q, user).await?;
            let bookings = booking::erase_person::export_person(q, user).await?;
            Ok::<_, PersonError>(Kept { identity, bookings })
        })
        .await?;
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
        erase(app.db(), user, Some(user)).await?;
        app.bus().publish_control(Control::UserRevoked { user });
        Ok(())
    });
    match running.await {
        Ok(Ok(())) => Ok(HttpResponse::NoContent().finish()),
        Ok(Err(error)) => Err(Rejection::of(&error)),
        Err(_) => Err(Rejection::of(&DbError::Replay)),
    }
}

/// The whole of it in one transaction of a job: a person is in many venues.
async fn erase(db: &Db, user: UserId, by: Option<UserId>) -> Result<(), PersonError> {
    let scope = Scope { user: by, ..Scope::job() };
    // No address with it: it would be the first thing to forget.
    let task = WriteTask { origin: Origin::default(), ..WriteTask::job("erase_person", scope) };
    let erased = db.write(&task, async |tx| {
        let identity::Erased { email, mut things } = identity::erase_person(tx, user).await?;
        things.extend(booking::erase_person::erase_person(tx, user, &email).await?);
        let (acts, events) = tx.forget_person(user.0, &things).await?;
        let detail = serde_json::json!({ "acts": acts, "events": events });
        tx.audit("person_erased", ("user", user.0), &detail)?;
        Ok::<_, PersonError>(())
    });
    erased.await.map(drop)
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
