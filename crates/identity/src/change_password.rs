//! Change the password: whoever knows the present one sets another.

use actix_web::{HttpResponse, post, web};
use edge::body::Errors;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::ids::{SessionId, UserId};
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::end_sessions::{end_sessions, tell_ended};
use crate::model::{Email, Password, User};
use crate::present_password::check_present;
use crate::state::Identity;
use crate::store::{resets, users};
use crate::{IdentityError, letters, password, task};

/// The password that is, and the one that shall be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangePassword {
    /// The present password.
    pub present: Password,
    /// The new one.
    #[schema(example = "otters fly low at dawn")]
    pub password: Password,
}

impl Input for ChangePassword {
    fn check(&self, errors: &mut Errors) {
        password::check_length(&self.password, errors);
    }
}

/// Change the password
///
/// All other sessions of the user end.
#[utoipa::path(
    operation_id = "changePassword", tag = "identity", request_body = ChangePassword,
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/auth/password")]
pub(crate) async fn post_password(
    actor: Actor<can::ActForSelf>,
    from: ClientAddress,
    cmd: Body<ChangePassword>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (user, session) = (actor.user()?, actor.session);
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let cmd = cmd.into_inner();
    let changed = task::to_the_end(async move {
        let db = app.db();
        let user = check_present(db, &identity, from, user, cmd.present).await?;
        password::check_new(&cmd.password, &Email::of(&user.email))?;
        let hash = identity.passwords.hash(cmd.password).await?;
        let ended = task::write(db, "change_password", Scope::person(Some(user.id)), async |tx| {
            set_password(tx, &user, &hash, session, &identity).await
        });
        tell_ended(app.bus(), &ended.await?);
        Ok(())
    });
    changed.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sets the password, ends all sessions but `kept`, voids all links, and tells the person.
pub(crate) async fn set_password(
    tx: &mut Tx,
    user: &User,
    hash: &str,
    kept: Option<SessionId>,
    identity: &Identity,
) -> Result<Vec<SessionId>, IdentityError> {
    let UserId(id) = user.id;
    let ended = end_sessions(tx, user.id, kept).await?;
    let now = tx.now();
    users::set_password(tx, user.id, hash);
    resets::use_resets(tx, user.id, now);
    tx.audit("password_changed", ("user", id), &serde_json::json!({}))?;
    let letter = letters::password_changed(&user.email, &identity.settings.public_url);
    notify::queue_mail(tx, letter)?;
    Ok(ended)
}
