//! Exchange the code that a browser came back with for tokens.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use jiff::Timestamp;
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::attempt::{Subjects, admit_registration};
use crate::model::{Email, Tokens};
use crate::oidc::hash_of;
use crate::oidc_error::OidcError;
use crate::session::{Agent, Opened, answer, open_session, tokens};
use crate::state::Identity;
use crate::store::oidc::{self, CodeKept};
use crate::store::users;
use crate::{IdentityError, task};

/// A code and what proves that it was given to whoever brings it.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExchangeOidc {
    /// What stood behind `#code=`.
    #[schema(max_length = 64)]
    pub code: String,
    /// What the challenge at the trip's beginning was the SHA-256 of.
    #[schema(min_length = 43, max_length = 128)]
    pub verifier: String,
}

impl Input for ExchangeOidc {}

/// Exchange a provider's sign-in for tokens
///
/// The code is good for one use within a minute. A wrong verifier voids it.
#[utoipa::path(
    operation_id = "exchangeOidc", tag = "identity", request_body = ExchangeOidc,
    responses((status = 200, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/oidc/exchange")]
pub(crate) async fn post_exchange(
    _: Actor<can::Enter>,
    from: ClientAddress,
    agent: Agent,
    cmd: Body<ExchangeOidc>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let exchanged = task::to_the_end(async move {
        let opened = exchange(&app, &identity, (from, &agent), &cmd).await?;
        tokens(&identity.keys.signer(), opened)
    });
    let tokens = exchanged.await.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::OK, &tokens))
}

async fn exchange(
    app: &App,
    identity: &Identity,
    (from, agent): (ClientAddress, &Agent),
    cmd: &ExchangeOidc,
) -> Result<Opened, IdentityError> {
    let (db, hash) = (app.db(), hash_of(&cmd.code));
    let nobody = Subjects::new(&Email::of(""), from);
    let per_minute = identity.settings.attempts_per_minute;
    task::write(db, "admit_exchange", Scope::person(None), async |tx| {
        admit_registration(tx, &nobody, per_minute).await
    })
    .await?;
    let found = db.read(Scope::person(None), async |q| oidc::find_code(q, &hash).await).await;
    let user = found.map_err(IdentityError::from)?.ok_or(OidcError::CodeOver)?;
    // In the user's own scope, because it reads their roles; a deactivated user ends here.
    let opened = task::write(db, "exchange_oidc", Scope::person(Some(user)), async |tx| {
        exchange_oidc(tx, &hash, &cmd.verifier, agent).await
    });
    opened.await?.ok_or_else(|| OidcError::CodeOver.into())
}

/// The rule. Nothing for a code that does not count, which is over from then on.
async fn exchange_oidc(
    tx: &mut Tx,
    hash: &[u8],
    verifier: &str,
    agent: &Agent,
) -> Result<Option<Opened>, IdentityError> {
    let Some(kept) = oidc::lock_code(tx, hash).await? else { return Ok(None) };
    oidc::spend_code(tx, hash.to_vec());
    let user = tx.scope().user.ok_or(IdentityError::NoSuchToken)?;
    let account = users::account_by_id(tx, user).await?.filter(|account| account.active);
    let Some(account) = account.filter(|_| counts(&kept, verifier, tx.now())) else {
        return Ok(None);
    };
    let roles = users::list_roles(tx, user).await?;
    open_session(tx, account.user, roles, agent).map(Some)
}

/// Whether the code was given to whoever has `verifier`, lately, and was not used.
fn counts(kept: &CodeKept, verifier: &str, now: Timestamp) -> bool {
    let shown = verify_slices_are_equal(&kept.challenge, &hash_of(verifier));
    kept.open && kept.expires_at > now && shown.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_once_in_time_for_whom_it_was_given_to() {
        let now = Timestamp::UNIX_EPOCH;
        let kept =
            || CodeKept { challenge: hash_of("verifier"), expires_at: Timestamp::MAX, open: true };
        assert!(counts(&kept(), "verifier", now));
        assert!(!counts(&kept(), "another", now));
        assert!(!counts(&CodeKept { open: false, ..kept() }, "verifier", now));
        assert!(!counts(&CodeKept { expires_at: now, ..kept() }, "verifier", now));
    }
}
