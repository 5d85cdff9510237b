//! Ask for a new password: a link is mailed to the address, if there is an account.

use std::time::Duration;

use actix_web::{HttpResponse, post, web};
use edge::body::Errors;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::attempt::{Subjects, admit_reset};
use crate::mailed_link::RESET;
use crate::model::Email;
use crate::state::Identity;
use crate::store::{resets, users};
use crate::{IdentityError, letters, task};

/// How long a link counts.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// No answer comes sooner: an account takes a little more work than none, and nobody shall see it.
const ANSWER_AFTER: Duration = Duration::from_millis(100);

/// Whose password was forgotten.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestReset {
    /// The address that was registered.
    #[schema(max_length = 254, example = "ana@example.org")]
    pub email: String,
}

impl Input for RequestReset {
    fn check(&self, errors: &mut Errors) {
        errors.email(&self.email, "/email");
    }
}

/// Ask for a new password
///
/// If there is an account with this address, a link is mailed to it that counts for an hour. The
/// answer is the same when there is none. An account gets at most three links an hour.
#[utoipa::path(
    operation_id = "requestPasswordReset", tag = "identity", request_body = RequestReset,
    responses((status = 202), WriteRefusals)
)]
#[post("/api/v1/auth/password/reset-request")]
pub(crate) async fn post_reset_request(
    _: Actor<can::Enter>,
    from: ClientAddress,
    cmd: Body<RequestReset>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (db, identity) = (app.db().clone(), identity.as_ref().clone());
    let asked = task::to_the_end(async move {
        let email = Email::of(&cmd.email);
        let subjects = Subjects::new(&email, from);
        task::write(&db, "request_reset", Scope::person(None), async |tx| {
            request_reset(tx, &identity, &email, &subjects).await
        })
        .await
    });
    let (asked, ()) = tokio::join!(asked, tokio::time::sleep(ANSWER_AFTER));
    asked.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::Accepted().finish())
}

async fn request_reset(
    tx: &mut Tx,
    identity: &Identity,
    email: &Email,
    subjects: &Subjects,
) -> Result<(), IdentityError> {
    let admitted = admit_reset(tx, subjects, identity.settings.attempts_per_minute).await?;
    let account = users::account_by_email(tx, email).await?;
    let Some(account) = account.filter(|account| account.active && admitted) else {
        return Ok(());
    };
    let now = tx.now();
    let id = kernel::ids::fresh(now);
    let (token, hash) = RESET.fresh([id])?;
    resets::insert_reset(tx, (id, account.user.id), hash, now + LINK_LIFE);
    let url = &identity.settings.public_url;
    notify::queue_mail(tx, letters::reset(&account.user.email, url, &token))?;
    Ok(())
}
