//! Register: a customer makes an account and is signed in.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use edge::body::Errors;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::ids::UserId;
use kernel::scope::Scope;
use pg::{Db, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::attempt::{Subjects, admit_registration};
use crate::model::{Email, Password, Tokens, User};
use crate::session::{Agent, Opened, answer, open_session, tokens};
use crate::state::Identity;
use crate::store::users;
use crate::{IdentityError, password, task};

/// Who wants an account.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Register {
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub name: String,
    /// The address to sign in with; upper and lower case are the same.
    #[schema(max_length = 254, example = "ana@example.org")]
    pub email: String,
    /// A new password.
    #[schema(example = "otters fly low at dawn")]
    pub password: Password,
}

impl Input for Register {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        errors.email(&self.email, "/email");
        password::check(&self.password, &Email::of(&self.email), errors);
    }
}

/// Register
///
/// Makes an account and signs it in. The account is a customer's: roles in venues are given by
/// those who have them.
#[utoipa::path(
    operation_id = "register", tag = "identity", request_body = Register,
    responses((status = 201, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/register")]
pub(crate) async fn post_register(
    _: Actor<can::Enter>,
    from: ClientAddress,
    agent: Agent,
    cmd: Body<Register>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (db, identity) = (app.db().clone(), identity.as_ref().clone());
    let registered = task::to_the_end(async move {
        let opened = register(&db, &identity, from, &agent, cmd.into_inner()).await?;
        tokens(&identity.keys.signer(), opened)
    })
    .await;
    let tokens = registered.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::CREATED, &tokens))
}

async fn register(
    db: &Db,
    identity: &Identity,
    from: ClientAddress,
    agent: &Agent,
    cmd: Register,
) -> Result<Opened, IdentityError> {
    if !identity.settings.registration_open {
        return Err(IdentityError::RegistrationClosed);
    }
    let email = Email::of(&cmd.email);
    let subjects = Subjects::new(&email, from);
    let per_minute = identity.settings.attempts_per_minute;
    task::write(db, "admit_registration", Scope::person(None), async |tx| {
        admit_registration(tx, &subjects, per_minute).await
    })
    .await?;
    let hash = identity.passwords.hash(cmd.password).await?;
    task::write(db, "register_user", Scope::person(None), async |tx| {
        let user = register_user(tx, &cmd.name, &email, &hash).await?;
        open_session(tx, user, std::collections::HashMap::new(), agent)
    })
    .await
}

/// The rule.
pub(crate) async fn register_user(
    tx: &mut Tx,
    name: &str,
    email: &Email,
    hash: &str,
) -> Result<User, IdentityError> {
    let now = tx.now();
    let user = User {
        id: UserId::fresh(now),
        email: email.as_str().to_owned(),
        name: name.trim().to_owned(),
        created_at: now,
    };
    if users::insert_user(tx, &user, hash).await? {
        Ok(user)
    } else {
        Err(IdentityError::EmailTaken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_checked() {
        let cmd: Register =
            serde_json::from_str(r#"{"name":" ","email":"ana","password":"short"}"#).unwrap();
        let mut errors = Errors::default();
        cmd.check(&mut errors);
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/email", "/password"]);
        assert!(!format!("{cmd:?}").contains("short"), "a password is never printed");
    }
}
