//! Finish to sign in at a provider: it sends the browser back, and says who it is.

use actix_web::http::header::{COOKIE, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use edge::{Actor, App, ClientAddress, Path, Query, Rejection, WriteRefusals, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::UserId;
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::attempt::{Subjects, admit_registration};
use crate::begin_oidc::{ProviderPath, cookie};
use crate::link_login::{Linked, NoWay, link_login};
use crate::model::Email;
use crate::oidc::{Code, ProviderSettings, Said, Trip, hash_of};
use crate::oidc_error::OidcError;
use crate::state::Identity;
use crate::store::oidc::{self, Flow};
use crate::{IdentityError, task};

/// How long the code counts.
const CODE_LIFE: SignedDuration = SignedDuration::from_secs(60);

/// What the provider sends the browser back with.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Back {
    /// What the trip was begun with.
    #[param(max_length = 128)]
    state: String,
    /// The provider's code.
    code: Option<String>,
    /// Why there is none.
    error: Option<String>,
    /// Who says so.
    iss: Option<String>,
}

/// Come back from a provider
///
/// The provider sends the browser here. It is sent on to where the trip's beginning said, with a
/// code for `exchangeOidc` or an error behind the `#`.
#[utoipa::path(
    operation_id = "finishOidc", tag = "identity", params(ProviderPath, Back),
    responses(
        (status = 303, description = "Back to the client", headers(
            ("Location" = String, description = "The return address, `#code=…` or `#error=…`"),
            ("Set-Cookie" = String, description = "Takes the trip's cookie away"),
        )),
        WriteRefusals,
    )
)]
#[get("/api/v1/auth/oidc/{provider}/callback")]
pub(crate) async fn get_callback(
    _: Actor<can::Enter>,
    request: HttpRequest,
    path: Path<ProviderPath>,
    back: Query<Back>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let (from, back) = (ClientAddress::of(&request), back.into_inner());
    let name = Trip::cookie_name(&back.state);
    let browser = cookies(&request).find(|(it, _)| *it == name).map(|(_, value)| value.to_owned());
    let trip = Trip { state: back.state.clone(), browser: browser.unwrap_or_default() };
    let gone = cookie(&trip, "", false, 0);
    let finished = task::to_the_end(async move {
        let provider = identity.providers.find(&path.provider);
        let provider = provider.ok_or(OidcError::NoSuchProvider)?;
        let flow = come_back(&app, &identity, from, &trip, provider).await?;
        let settled = settle(&app, &identity, provider, &trip, back).await?;
        Ok((flow.return_to, settled))
    });
    let (return_to, settled) = finished.await.map_err(|error| Rejection::of(&error))?;
    let told = match settled {
        Ok(Code(code)) => format!("code={code}"),
        Err(no_way) => format!("error={}", no_way.as_str()),
    };
    // Behind the `#`: no server and no log ever sees that part.
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("{return_to}#{told}")))
        .insert_header((SET_COOKIE, gone))
        .finish())
}

fn cookies(request: &HttpRequest) -> impl Iterator<Item = (&str, &str)> {
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// What a browser that comes back may do.
enum Judged {
    Good(Flow),
    Over,
    Others,
}

/// Uses the trip up: it was begun, is not over, and by this browser with this provider.
async fn come_back(
    app: &App,
    identity: &Identity,
    from: ClientAddress,
    trip: &Trip,
    provider: &ProviderSettings,
) -> Result<Flow, IdentityError> {
    let nobody = Subjects::new(&Email::of(""), from);
    let per_minute = identity.settings.attempts_per_minute;
    let judged = task::write(app.db(), "come_back", Scope::person(None), async |tx| {
        admit_registration(tx, &nobody, per_minute).await?;
        let state_hash = hash_of(&trip.state);
        let Some(flow) = oidc::lock_flow(tx, &state_hash).await? else { return Ok(Judged::Over) };
        let judged = judge(flow, &hash_of(&trip.browser), &provider.id, tx.now());
        // A stranger who has seen the state cannot use it up for its browser.
        if matches!(judged, Judged::Good(_)) {
            oidc::use_flow(tx, state_hash);
        }
        Ok(judged)
    });
    match judged.await? {
        Judged::Good(flow) => Ok(flow),
        Judged::Over => Err(OidcError::TripOver.into()),
        Judged::Others => Err(OidcError::OtherTrip.into()),
    }
}

/// The rule.
fn judge(flow: Flow, browser_hash: &[u8], provider: &str, now: Timestamp) -> Judged {
    let same_browser = verify_slices_are_equal(&flow.browser_hash, browser_hash).is_ok();
    if !flow.open || flow.expires_at <= now {
        Judged::Over
    } else if same_browser && flow.provider == provider {
        Judged::Good(flow)
    } else {
        Judged::Others
    }
}

/// The code for whoever the provider says it is, or why there is none.
async fn settle(
    app: &App,
    identity: &Identity,
    provider: &ProviderSettings,
    trip: &Trip,
    back: Back,
) -> Result<Result<Code, NoWay>, IdentityError> {
    // Another provider's answer, sent on to us (RFC 9207).
    if back.iss.is_some_and(|issuer| issuer != provider.issuer) {
        tracing::warn!(provider = provider.id, "identity.oidc answer of another issuer");
        return Ok(Err(NoWay::NotProved));
    }
    let Some(code) = back.code else {
        tracing::info!(provider = provider.id, "identity.oidc denied");
        let denied = back.error.as_deref() == Some("access_denied");
        return Ok(Err(if denied { NoWay::Denied } else { NoWay::NotProved }));
    };
    let now = app.db().clock().now();
    let claims = match identity.providers.who(provider, trip, code, now).await {
        Ok(claims) => claims,
        Err(Said::Away(why)) => {
            tracing::warn!(provider = provider.id, why, "identity.oidc provider away");
            return Ok(Err(NoWay::ProviderAway));
        }
        Err(Said::Wrong(why)) => {
            tracing::warn!(provider = provider.id, why, "identity.oidc answer refused");
            return Ok(Err(NoWay::NotProved));
        }
    };
    let linked = async || {
        task::write(app.db(), "link_login", Scope::person(None), async |tx| {
            match link_login(tx, identity, provider, &claims).await? {
                Linked::To(user) => answer(tx, trip, user).map(Ok),
                Linked::No(no_way) => Ok(Err(no_way)),
            }
        })
        .await
    };
    match linked().await {
        // Somebody was quicker with the same address or login: now it is there.
        Err(IdentityError::EmailTaken) => linked().await,
        settled => settled,
    }
}

/// The code of the trip.
fn answer(tx: &mut Tx, trip: &Trip, user: UserId) -> Result<Code, IdentityError> {
    let code = Code::fresh()?;
    let until = tx.now() + CODE_LIFE;
    oidc::answer_flow(tx, hash_of(&trip.state), user, (hash_of(&code.0), until));
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow {
            provider: "acme".to_owned(),
            browser_hash: hash_of("browser"),
            return_to: "https://app.example.org".to_owned(),
            expires_at: Timestamp::MAX,
            open: true,
        }
    }

    #[test]
    fn a_trip_ends_once_where_it_began() {
        let now = Timestamp::UNIX_EPOCH;
        let browser = hash_of("browser");
        assert!(matches!(judge(flow(), &browser, "acme", now), Judged::Good(_)));
        assert!(matches!(judge(flow(), &browser, "umbrella", now), Judged::Others));
        assert!(matches!(judge(flow(), &hash_of("another"), "acme", now), Judged::Others));
        assert!(matches!(judge(flow(), &hash_of(""), "acme", now), Judged::Others));
        let used = Flow { open: false, ..flow() };
        assert!(matches!(judge(used, &browser, "acme", now), Judged::Over));
        let late = Flow { expires_at: now, ..flow() };
        assert!(matches!(judge(late, &browser, "acme", now), Judged::Over));
    }
}
