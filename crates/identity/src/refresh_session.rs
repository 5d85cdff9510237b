//! Refresh: a refresh token is used up and gets its successor and a new access token.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use bus::Control;
use edge::{Actor, App, Body, Input, Rejection, WriteRefusals, can};
use kernel::ids::SessionId;
use kernel::scope::Scope;
use pg::{Db, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::end_sessions::end_these;
use crate::model::Tokens;
use crate::refresh_token::{Lead, fresh, hash, lead, open_successor, seal_successor, session_end};
use crate::session::{Opened, answer, tokens};
use crate::state::Identity;
use crate::store::sessions::{self, Token};
use crate::store::users;
use crate::{IdentityError, task};

/// A session that goes on.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Refresh {
    /// The refresh token that came last.
    #[schema(max_length = 64)]
    pub refresh_token: String,
}

impl Input for Refresh {}

/// What came of it.
enum Refreshed {
    On(Box<Opened>),
    Stolen(SessionId),
}

/// Refresh a session
///
/// Each refresh token is good for one use. A repeat within 30 seconds gets the same successor, so
/// a lost answer or a second tab harm nobody; a used one that comes later ends the session.
#[utoipa::path(
    operation_id = "refresh", tag = "identity", request_body = Refresh,
    responses((status = 200, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/refresh")]
pub(crate) async fn post_refresh(
    _: Actor<can::Enter>,
    cmd: Body<Refresh>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let refreshed = task::to_the_end(async move {
        match refresh(app.db(), &cmd.refresh_token).await? {
            Refreshed::On(opened) => tokens(&identity.keys.signer(), *opened),
            Refreshed::Stolen(session) => {
                tracing::warn!(%session, "identity.refresh_token used twice, session ended");
                app.bus().publish_control(Control::SessionRevoked { session });
                Err(IdentityError::SessionOver)
            }
        }
    })
    .await;
    let tokens = refreshed.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::OK, &tokens))
}

async fn refresh(db: &Db, presented: &str) -> Result<Refreshed, IdentityError> {
    let kept = hash(presented);
    let owner = db
        .read(Scope::person(None), async |q| sessions::find_owner(q, &kept).await)
        .await
        .map_err(IdentityError::from)?;
    let user = owner.ok_or(IdentityError::NoSuchToken)?;
    // In the user's own scope, because it reads their roles; a deactivated user ends here.
    task::write(db, "refresh_session", Scope::person(Some(user)), async |tx| {
        refresh_session(tx, presented).await
    })
    .await
}

/// The rule.
async fn refresh_session(tx: &mut Tx, presented: &str) -> Result<Refreshed, IdentityError> {
    let kept = hash(presented);
    let token = sessions::lock_token(tx, &kept).await?.ok_or(IdentityError::NoSuchToken)?;
    let now = tx.now();
    let lead = lead(token.presented, now);
    if lead == Lead::Over {
        return Err(IdentityError::SessionOver);
    }
    let session = token.session;
    if lead == Lead::Theft {
        end_these(tx, vec![session.id]);
        return Ok(Refreshed::Stolen(session.id));
    }
    let account = users::account_by_id(tx, session.user).await?;
    let user = account.ok_or(IdentityError::NoSuchToken)?.user;
    let roles = users::list_roles(tx, session.user).await?;
    let refresh_token = if lead == Lead::Repeat {
        let sealed = token.successor_sealed.as_deref().ok_or(IdentityError::Crypto)?;
        open_successor(presented, sealed)?
    } else {
        succeed(tx, presented, &token)?
    };
    let ends_at = session_end(session.created_at, now);
    sessions::prolong_session(tx, session.id, now, ends_at);
    let session = session.id;
    Ok(Refreshed::On(Box::new(Opened { user, session, roles, refresh_token, now, ends_at })))
}

/// Uses the token up and gives its new successor; one that was given out before is void.
fn succeed(tx: &mut Tx, presented: &str, token: &Token) -> Result<String, IdentityError> {
    let now = tx.now();
    if let Some(replaced) = token.successor_hash.clone() {
        sessions::revoke_token(tx, replaced, now);
    }
    let successor = fresh()?;
    let sealed = seal_successor(presented, &successor)?;
    sessions::insert_token(tx, hash(&successor), token.session.id, now);
    sessions::use_token(tx, hash(presented), now, sealed, hash(&successor));
    Ok(successor)
}
