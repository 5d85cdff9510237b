//! Set up a fresh server: whoever has the token that it printed at its first start is its first
//! owner.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::body::Errors;
use edge::token::sha256;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use jiff::{SignedDuration, Timestamp};
use kernel::role::Role;
use kernel::scope::Scope;
use pg::{Db, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::attempt::{Subjects, admit_registration};
use crate::model::{Email, Password, Tokens};
use crate::open_venue::{OpenVenue, open_venue};
use crate::register_user::register_user;
use crate::session::{Agent, Opened, answer, open_session, tokens};
use crate::state::Identity;
use crate::store::setup::{self, Kept};
use crate::{IdentityError, password, task};

/// How long the token counts.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Bytes of the token: 256 random bits.
const TOKEN_BYTES: usize = 32;
/// Says what it is to whoever finds it where it should not be.
const PREFIX: &str = "rls_";

/// The token that makes the first owner. It is shown once, to whoever starts the server.
pub struct SetupToken(String);

impl std::fmt::Debug for SetupToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetupToken")
    }
}

impl SetupToken {
    /// The token itself, for the terminal.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A token for the first owner, while there is no user and no other worker has shown one lately.
///
/// # Errors
/// The database's failures.
pub async fn offer_setup(db: &Db) -> Result<Option<SetupToken>, IdentityError> {
    let mut secret = [0; TOKEN_BYTES];
    aws_lc_rs::rand::fill(&mut secret)?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let offered = task::write(db, "offer_setup", Scope::person(None), async |tx| {
        let expires_at = tx.now() + TOKEN_LIFE;
        Ok(setup::offer_setup(tx, &hash_of(&token), expires_at).await?)
    });
    Ok(offered.await?.then_some(SetupToken(token)))
}

/// The first owner and their venue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SetUp {
    /// What the server printed at its first start.
    #[schema(max_length = 128)]
    pub token: String,
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub name: String,
    /// The address to sign in with.
    #[schema(max_length = 254, example = "ana@example.org")]
    pub email: String,
    /// A new password.
    #[schema(example = "otters fly low at dawn")]
    pub password: Password,
    /// The first venue.
    pub venue: OpenVenue,
}

impl Input for SetUp {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        errors.email(&self.email, "/email");
        password::check(&self.password, &Email::of(&self.email), errors);
        self.venue.check(errors);
    }
}

/// Set up a fresh server
///
/// Makes the first user, who owns the first venue, and signs them in. The token counts once, for an
/// hour, and only while there is no user.
#[utoipa::path(
    operation_id = "setUp", tag = "identity", request_body = SetUp,
    responses((status = 201, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/setup")]
pub(crate) async fn post_setup(
    _: Actor<can::Enter>,
    from: ClientAddress,
    agent: Agent,
    cmd: Body<SetUp>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (db, identity) = (app.db().clone(), identity.as_ref().clone());
    let cmd = cmd.into_inner();
    let done = task::to_the_end(async move {
        let opened = run(&db, &identity, (from, &agent), cmd).await?;
        tokens(&identity.keys.signer(), opened)
    });
    let tokens = done.await.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::CREATED, &tokens))
}

/// Transactions around the hash, like registering: the token is judged before and after.
async fn run(
    db: &Db,
    identity: &Identity,
    (from, agent): (ClientAddress, &Agent),
    cmd: SetUp,
) -> Result<Opened, IdentityError> {
    let nobody = Subjects::new(&Email::of(""), from);
    let per_minute = identity.settings.attempts_per_minute;
    let good = task::write(db, "look_at_setup", Scope::person(None), async |tx| {
        admit_registration(tx, &nobody, per_minute).await?;
        judge(tx, &cmd.token).await
    });
    // A result and no error, so that the attempt is counted.
    if !good.await? {
        return Err(IdentityError::SetupOver);
    }
    let hash = identity.passwords.hash(cmd.password.clone()).await?;
    task::write(db, "set_up", Scope::person(None), async |tx| set_up(tx, &cmd, &hash, agent).await)
        .await
}

/// The rule.
async fn set_up(
    tx: &mut Tx,
    cmd: &SetUp,
    hash: &str,
    agent: &Agent,
) -> Result<Opened, IdentityError> {
    if !judge(tx, &cmd.token).await? {
        return Err(IdentityError::SetupOver);
    }
    setup::void_setup(tx);
    let user = register_user(tx, &cmd.name, &Email::of(&cmd.email), hash).await?;
    tx.audit("server_set_up", ("user", user.id.0), &serde_json::json!({}))?;
    let venue = open_venue(tx, user.id, &cmd.venue).await?;
    let roles = std::collections::HashMap::from([(venue.id, Role::Owner)]);
    open_session(tx, user, roles, agent)
}

async fn judge(tx: &mut Tx, token: &str) -> Result<bool, IdentityError> {
    let (kept, any_user) = setup::lock_setup(tx).await?;
    Ok(kept.is_some_and(|kept| counts(&kept, any_user, token, tx.now())))
}

fn counts(kept: &Kept, any_user: bool, token: &str, now: Timestamp) -> bool {
    let same = verify_slices_are_equal(&kept.token_hash, &hash_of(token)).is_ok();
    same && !any_user && kept.expires_at > now
}

fn hash_of(token: &str) -> Vec<u8> {
    sha256(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_counts_in_time_and_while_there_is_no_user() {
        let now = Timestamp::UNIX_EPOCH;
        let kept = Kept { token_hash: hash_of("token"), expires_at: Timestamp::MAX };
        assert!(counts(&kept, false, "token", now));
        assert!(!counts(&kept, true, "token", now));
        assert!(!counts(&kept, false, "tokem", now));
        assert!(!counts(&Kept { expires_at: now, ..kept }, false, "token", now));
    }
}
