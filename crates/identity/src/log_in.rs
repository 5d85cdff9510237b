//! Log in: an address and its password open a session.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::scope::Scope;
use pg::Db;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::attempt::{Subjects, admit_sign_in, forgive};
use crate::deactivate_user::reactivate_user;
use crate::model::{Email, Password, Tokens};
use crate::session::{Agent, Opened, answer, open_session, tokens};
use crate::state::Identity;
use crate::store::users;
use crate::{IdentityError, task};

/// Who signs in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogIn {
    /// The address that was registered.
    #[schema(max_length = 254, example = "ana@example.org")]
    pub email: String,
    /// Its password.
    #[schema(example = "otters fly low at dawn")]
    pub password: Password,
}

impl Input for LogIn {}

/// Log in
///
/// A wrong address and a wrong password are the same answer. After five failures each next attempt
/// has to wait longer; `Retry-After` says how long.
#[utoipa::path(
    operation_id = "login", tag = "identity", request_body = LogIn,
    responses((status = 200, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/login")]
pub(crate) async fn post_login(
    _: Actor<can::Enter>,
    from: ClientAddress,
    agent: Agent,
    cmd: Body<LogIn>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (db, identity) = (app.db().clone(), identity.as_ref().clone());
    let signed_in = task::to_the_end(async move {
        let cmd = cmd.into_inner();
        let opened = log_in(&db, &identity, (from, &agent), cmd, Who::Active).await?;
        tokens(&identity.keys.signer(), opened)
    })
    .await;
    let tokens = signed_in.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::OK, &tokens))
}

/// Whose password counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Active accounts.
    Active,
    /// Those too that their person has deactivated: they become active.
    AlsoDeactivated,
}

/// The rule. Two transactions, because a hash takes longer than a connection may be kept waiting:
/// the first counts the attempt, the second opens the session.
pub(crate) async fn log_in(
    db: &Db,
    identity: &Identity,
    (from, agent): (ClientAddress, &Agent),
    cmd: LogIn,
    who: Who,
) -> Result<Opened, IdentityError> {
    let email = Email::of(&cmd.email);
    let subjects = Subjects::new(&email, from);
    let per_minute = identity.settings.attempts_per_minute;
    let account = task::write(db, "admit_sign_in", Scope::person(None), async |tx| {
        admit_sign_in(tx, &subjects, per_minute).await?;
        Ok(users::account_by_email(tx, &email).await?)
    })
    .await?;
    // A deactivated account and one that is not there cost the same work as any other.
    let account = account.filter(|account| {
        account.active || (who == Who::AlsoDeactivated && account.may_reactivate)
    });
    let hash = account.as_ref().and_then(|account| account.password_hash.clone());
    let right = identity.passwords.verify(cmd.password, hash).await?;
    let Some(account) = account.filter(|_| right) else { return Err(IdentityError::WrongPassword) };
    let user = account.user;
    if !account.active {
        task::write(db, "reactivate_user", Scope::person(None), async |tx| {
            reactivate_user(tx, user.id)
        })
        .await?;
    }
    task::write(db, "open_session", Scope::person(Some(user.id)), async |tx| {
        let roles = users::list_roles(tx, user.id).await?;
        forgive(tx, &subjects);
        open_session(tx, user.clone(), roles, agent)
    })
    .await
}
