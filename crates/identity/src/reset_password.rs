//! Reset the password: whoever has the mailed link sets a new one.

use actix_web::{HttpResponse, post, web};
use edge::body::Errors;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::attempt::{Subjects, admit_registration, forgive_delays};
use crate::change_password::set_password;
use crate::end_sessions::tell_ended;
use crate::mailed_link::{Presented, RESET, Worth, worth};
use crate::model::{Email, Password, User};
use crate::state::Identity;
use crate::store::{resets, users};
use crate::{IdentityError, password, task};

/// A mailed link and the new password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResetPassword {
    /// What stands behind `#token=` in the link.
    #[schema(max_length = 128)]
    pub token: String,
    /// The new password.
    #[schema(example = "otters fly low at dawn")]
    pub password: Password,
}

impl Input for ResetPassword {
    fn check(&self, errors: &mut Errors) {
        password::check_length(&self.password, errors);
    }
}

/// Reset the password
///
/// The link is good for one new password. All sessions of the user end; sign in with the new one.
#[utoipa::path(
    operation_id = "resetPassword", tag = "identity", request_body = ResetPassword,
    responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/auth/password/reset")]
pub(crate) async fn post_reset(
    _: Actor<can::Enter>,
    from: ClientAddress,
    cmd: Body<ResetPassword>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let cmd = cmd.into_inner();
    let reset = task::to_the_end(async move { reset(&app, &identity, from, cmd).await });
    reset.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Two transactions around the hash, like signing in: the link is judged in both, used in the
/// second.
async fn reset(
    app: &App,
    identity: &Identity,
    from: ClientAddress,
    cmd: ResetPassword,
) -> Result<(), IdentityError> {
    let (db, link) = (app.db(), RESET.read(&cmd.token));
    let per_minute = identity.settings.attempts_per_minute;
    let nobody = Subjects::new(&Email::of(""), from);
    let user = task::write(db, "look_at_reset", Scope::person(None), async |tx| {
        admit_registration(tx, &nobody, per_minute).await?;
        match &link {
            Some(link) => judge(tx, link).await,
            None => Ok(None),
        }
    });
    let (user, link) = user.await?.zip(link).ok_or(IdentityError::LinkOver)?;
    let email = Email::of(&user.email);
    password::check_new(&cmd.password, &email)?;
    let hash = identity.passwords.hash(cmd.password).await?;
    let subjects = Subjects::new(&email, from);
    let ended = task::write(db, "reset_password", Scope::person(None), async |tx| {
        let Some(user) = judge(tx, &link).await? else { return Ok(None) };
        users::verify_email(tx, user.id);
        // Whoever reads the mail is the person: failures of others delay them no more.
        forgive_delays(tx, &subjects);
        set_password(tx, &user, &hash, None, identity).await.map(Some)
    });
    let ended = ended.await?.ok_or(IdentityError::LinkOver)?;
    tell_ended(app.bus(), &ended);
    Ok(())
}

/// The user, if the link opens. A wrong proof is counted, so it is a result and no error.
async fn judge(tx: &mut Tx, link: &Presented<1>) -> Result<Option<User>, IdentityError> {
    let [id] = link.ids;
    let Some((user, kept)) = resets::lock_reset(tx, id).await? else { return Ok(None) };
    match worth(&kept, &link.hash, tx.now()) {
        Worth::Good => {
            let account = users::account_by_id(tx, user).await?;
            Ok(account.filter(|account| account.active).map(|account| account.user))
        }
        Worth::Wrong => {
            resets::count_try(tx, id);
            Ok(None)
        }
        Worth::Over => Ok(None),
    }
}
