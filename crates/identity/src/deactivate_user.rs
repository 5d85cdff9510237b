//! Deactivate and reactivate: a person ends their account, and begins again.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use bus::Control;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::ids::{SessionId, UserId};
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::end_sessions::{end_sessions, tell_ended};
use crate::log_in::{LogIn, Who, log_in};
use crate::model::{Password, Tokens};
use crate::present_password::check_present;
use crate::session::{Agent, answer, tokens};
use crate::state::Identity;
use crate::store::{resets, users, venues};
use crate::{IdentityError, task};

/// The password once more.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Deactivate {
    /// The present password.
    pub password: Password,
}

impl Input for Deactivate {}

/// Deactivate my account
///
/// All sessions end, and nobody can sign in with it until its person reactivates it. What it has
/// done stays. The only owner of a venue makes somebody else an owner first.
#[utoipa::path(
    operation_id = "deactivateAccount", tag = "identity", request_body = Deactivate,
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/auth/deactivate")]
pub(crate) async fn post_deactivate(
    actor: Actor<can::ActForSelf>,
    from: ClientAddress,
    cmd: Body<Deactivate>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let user = actor.user()?;
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let done = task::to_the_end(async move {
        let password = cmd.into_inner().password;
        check_present(app.db(), &identity, from, user, password).await?;
        let scope = Scope::person(Some(user));
        let ended = task::write(app.db(), "deactivate_user", scope, async |tx| {
            deactivate_user(tx, user, By::Oneself).await
        });
        tell_ended(app.bus(), &ended.await?);
        app.bus().publish_control(Control::UserRevoked { user });
        Ok(())
    });
    done.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Reactivate my account
///
/// Signs in, like `login`, with an account that its person has deactivated. One that the people
/// who run the server have deactivated stays so.
#[utoipa::path(
    operation_id = "reactivateAccount", tag = "identity", request_body = LogIn,
    responses((status = 200, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/reactivate")]
pub(crate) async fn post_reactivate(
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
        let opened = log_in(&db, &identity, (from, &agent), cmd, Who::AlsoDeactivated).await?;
        tokens(&identity.keys.signer(), opened)
    });
    let tokens = signed_in.await.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::OK, &tokens))
}

/// Who ends an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Its person.
    Oneself,
    /// The people who run the server.
    Operator,
}

/// The rule. Runs in the user's own scope and walks through the venues that they own: each must
/// have another owner who can sign in.
pub(crate) async fn deactivate_user(
    tx: &mut Tx,
    user: UserId,
    by: By,
) -> Result<Vec<SessionId>, IdentityError> {
    let owned = users::list_owned(tx, user).await?;
    for venue in owned {
        if !venues::lock_has_other_owner(tx, venue, user).await? {
            return Err(IdentityError::LastOwner);
        }
    }
    venues::leave_venue(tx).await?;
    let ended = end_sessions(tx, user, None).await?;
    let now = tx.now();
    users::deactivate(tx, user, if by == By::Oneself { "self" } else { "operator" });
    resets::use_resets(tx, user, now);
    tx.audit("user_deactivated", ("user", user.0), &serde_json::json!({}))?;
    Ok(ended)
}

/// The rule. Runs in nobody's scope: a deactivated user has none.
pub(crate) fn reactivate_user(tx: &mut Tx, user: UserId) -> Result<(), IdentityError> {
    users::reactivate(tx, user);
    tx.audit("user_reactivated", ("user", user.0), &serde_json::json!({}))?;
    Ok(())
}
