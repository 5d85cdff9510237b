//! Begin to sign in at a provider: the browser is sent there.

use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::{HttpResponse, get, web};
use edge::{Actor, App, ClientAddress, Path, Query, ReadRefusals, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::scope::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::attempt::{Subjects, admit_registration};
use crate::model::Email;
use crate::oidc::{Said, Trip, challenge_of, hash_of};
use crate::oidc_error::OidcError;
use crate::state::Identity;
use crate::store::oidc::{self, Begun};
use crate::{IdentityError, task};

/// How long somebody may take at the provider.
pub(crate) const TRIP_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// The cookie goes back to these paths only.
const COOKIE_PATH: &str = "/api/v1/auth/oidc";

/// A provider that people may sign in with.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Provider {
    /// Its place in paths.
    #[schema(example = "google")]
    pub id: String,
    /// What a button says.
    #[schema(example = "Google")]
    pub name: String,
}

/// The providers that people may sign in with.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderList {
    /// In the order in which the people who run the server named them.
    pub items: Vec<Provider>,
}

/// Which provider.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ProviderPath {
    /// Its id, from the list of providers.
    #[param(example = "google", max_length = 40)]
    pub(crate) provider: String,
}

/// What the client brings.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Begin {
    /// SHA-256 of a fresh random verifier, in base64url without padding, as PKCE's S256 makes it.
    /// Whoever exchanges the code has to show the verifier.
    #[param(
        min_length = 43,
        max_length = 43,
        example = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )]
    challenge: String,
    /// Where to go afterwards: one of the addresses that this server allows; its first unless given.
    #[param(max_length = 500, example = "https://app.example.org/signed-in")]
    return_to: Option<String>,
}

/// List the providers to sign in with
#[utoipa::path(
    operation_id = "listProviders", tag = "identity",
    responses((status = 200, body = ProviderList), ReadRefusals)
)]
#[get("/api/v1/auth/oidc")]
pub(crate) async fn get_providers(
    _: Actor<can::Enter>,
    identity: web::Data<Identity>,
) -> Result<web::Json<ProviderList>, Rejection> {
    let all = identity.providers.all().iter();
    let items = all.map(|it| Provider { id: it.id.clone(), name: it.name.clone() }).collect();
    Ok(web::Json(ProviderList { items }))
}

/// Begin to sign in at a provider
///
/// For a browser, not for `fetch`: it is sent to the provider and comes back to `returnTo` with
/// `#code=…`, which `exchangeOidc` turns into tokens within a minute, or with `#error=…`: `denied`,
/// `provider_away`, `not_proved`, `email_unverified`, `account_unproven`, `account_deactivated`,
/// `registration_closed`. It has to come back within ten minutes.
#[utoipa::path(
    operation_id = "beginOidc", tag = "identity", params(ProviderPath, Begin),
    responses(
        (status = 303, description = "On to the provider", headers(
            ("Location" = String, description = "The provider's page"),
            ("Set-Cookie" = String, description = "Binds the trip to this browser"),
        )),
        WriteRefusals,
    )
)]
#[get("/api/v1/auth/oidc/{provider}/start")]
pub(crate) async fn get_start(
    _: Actor<can::Enter>,
    from: ClientAddress,
    path: Path<ProviderPath>,
    begin: Query<Begin>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let (path, wish) = (path.0, begin.into_inner());
    let sent = task::to_the_end(async move { begin_oidc(&app, &identity, from, path, wish).await });
    let (location, cookie) = sent.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, location))
        .insert_header((SET_COOKIE, cookie))
        .finish())
}

/// Where the browser goes, and its cookie.
async fn begin_oidc(
    app: &App,
    identity: &Identity,
    from: ClientAddress,
    path: ProviderPath,
    wish: Begin,
) -> Result<(String, String), IdentityError> {
    let providers = &identity.providers;
    let provider = providers.find(&path.provider).ok_or(OidcError::NoSuchProvider)?;
    let return_to = providers.return_to(wish.return_to.as_deref());
    let return_to = return_to.ok_or(OidcError::ReturnNotAllowed)?.to_owned();
    let challenge = challenge_of(&wish.challenge).ok_or(OidcError::NotAChallenge)?;
    let trip = Trip::fresh()?;
    let nobody = Subjects::new(&Email::of(""), from);
    let per_minute = identity.settings.attempts_per_minute;
    // Before the provider is asked: what a stranger may make us do is bounded.
    task::write(app.db(), "begin_oidc", Scope::person(None), async |tx| {
        admit_registration(tx, &nobody, per_minute).await?;
        let trip = Begun {
            state_hash: hash_of(&trip.state),
            provider: provider.id.clone(),
            browser_hash: hash_of(&trip.browser),
            challenge: challenge.clone(),
            return_to: return_to.clone(),
            expires_at: tx.now() + TRIP_LIFE,
        };
        oidc::insert_flow(tx, trip);
        Ok(())
    })
    .await?;
    let location = providers.way_there(provider, &trip, app.db().clock().now()).await;
    let location = location.map_err(|(Said::Away(why) | Said::Wrong(why))| OidcError::Away(why))?;
    let secure = provider.callback.starts_with("https://");
    Ok((location, cookie(&trip, &trip.browser, secure, TRIP_LIFE.as_secs())))
}

/// A cookie that no script reads and that comes along when the provider sends the browser back.
pub(crate) fn cookie(trip: &Trip, value: &str, secure: bool, life_secs: i64) -> String {
    let name = Trip::cookie_name(&trip.state);
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{name}={value}; Path={COOKIE_PATH}; Max-Age={life_secs}; HttpOnly; SameSite=Lax{secure}"
    )
}
