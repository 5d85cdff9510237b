//! The logins at providers that open an account, and how one ceases to.

use actix_web::{delete, get, web};
use edge::{
    Actor, Answer, App, Gone, OnceIfGiven, Path, ReadRefusals, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::UserId;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::export_person::{LOGINS_MAX, LoginKept};
use crate::oidc_error::OidcError;
use crate::state::Identity;
use crate::store::{oidc, users};
use crate::{IdentityError, letters};

/// A login at a provider, as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    /// Its id.
    pub id: Uuid,
    /// The provider's name on buttons, or its address where this server does not know it any more.
    #[schema(example = "Google")]
    pub provider: String,
    /// The address that the provider named when the login was linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ana@example.org")]
    pub email: Option<String>,
    /// Since when it opens the account.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub linked_at: Timestamp,
}

/// The logins that open an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginList {
    /// The oldest first; at most 200.
    pub items: Vec<Login>,
}

/// `/auth/logins/{login}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct LoginPath {
    /// The login, from the list of one's own.
    pub login: Uuid,
}

/// List my logins
///
/// Who one is at the providers that one can sign in with.
#[utoipa::path(
    operation_id = "listLogins", tag = "identity",
    security(("bearer" = [])), responses((status = 200, body = LoginList), ReadRefusals)
)]
#[get("/api/v1/auth/logins")]
pub(crate) async fn list_logins(
    actor: Actor<can::ActForSelf>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<web::Json<LoginList>, Rejection> {
    let user = actor.user()?;
    let logins = app
        .read(&actor, async |q| {
            Ok::<_, IdentityError>(oidc::list_logins(q, user, LOGINS_MAX).await?)
        })
        .await?;
    let told = |login: LoginKept| Login {
        id: login.id,
        provider: provider(&identity, &login.issuer),
        email: login.email,
        linked_at: login.linked_at,
    };
    Ok(web::Json(LoginList { items: logins.into_iter().map(told).collect() }))
}

/// Unlink one of my logins
///
/// It opens the account no more; sessions stay. Whoever signs in there again with the account's own
/// address, verified, links it anew. The last login of an account without a password stays.
#[utoipa::path(
    operation_id = "unlinkLogin", tag = "identity", params(LoginPath),
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[delete("/api/v1/auth/logins/{login}")]
pub(crate) async fn delete_login(
    actor: Actor<can::ActForSelf>,
    once: OnceIfGiven,
    at: Path<LoginPath>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (user, login) = (actor.user()?, at.login);
    app.write(&actor, once.alone(), async move |tx| {
        unlink_login(tx, &identity, user, login).await.map(|()| Gone)
    })
    .await
}

async fn unlink_login(
    tx: &mut Tx,
    identity: &Identity,
    user: UserId,
    login: Uuid,
) -> Result<(), IdentityError> {
    // Two who unlink the last two logins at the same moment: the second sees that one is left.
    users::lock_user(tx, user).await?;
    let account = users::account_by_id(tx, user).await?.ok_or(pg::DbError::UserGone)?;
    let logins = oidc::logins_of(tx, user, LOGINS_MAX).await?;
    let found = logins.iter().find(|kept| kept.id == login).ok_or(OidcError::NoSuchLogin)?;
    if account.password_hash.is_none() && logins.len() == 1 {
        return Err(OidcError::LastLogin.into());
    }
    oidc::delete_login(tx, user, login);
    let provider = provider(identity, &found.issuer);
    let url = &identity.settings.public_url;
    notify::queue_mail(tx, letters::login_unlinked(&account.user.email, &provider, url))?;
    tx.audit("login_unlinked", ("user", user.0), &serde_json::json!({ "provider": provider }))?;
    Ok(())
}

/// What the people who run the server call it.
fn provider(identity: &Identity, issuer: &str) -> String {
    let known = identity.providers.all().iter().find(|provider| provider.issuer == issuer);
    known.map_or_else(|| issuer.to_owned(), |provider| provider.name.clone())
}
