//! Opening a session, and what its client is given: an access token and a refresh token.

use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload as Stream;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, USER_AGENT};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use edge::Rejection;
use edge::token::{ISSUER, Payload, TOKEN_TYPE};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header};
use kernel::ids::{SessionId, VenueId};
use kernel::role::Role;
use pg::Tx;
use uuid::Uuid;

use crate::IdentityError;
use crate::keys::Signer;
use crate::model::{Tokens, User};
use crate::refresh_token;
use crate::store::sessions::{self, Session};

/// How long an access token counts. Short, because nothing but its end takes it back.
pub(crate) const ACCESS_TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// Characters of the client's name that are kept.
const AGENT_MAX_CHARS: usize = 200;

/// What the client calls itself, kept so that a person recognises their sessions.
#[derive(Clone, Debug)]
pub(crate) struct Agent(pub(crate) Option<String>);

impl FromRequest for Agent {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Stream) -> Self::Future {
        let name = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        ready(Ok(Self(name.map(|name| name.chars().take(AGENT_MAX_CHARS).collect()))))
    }
}

/// A session with a fresh refresh token, ready to be told to its client.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) user: User,
    pub(crate) session: SessionId,
    pub(crate) roles: HashMap<VenueId, Role>,
    pub(crate) refresh_token: String,
    pub(crate) now: Timestamp,
    pub(crate) ends_at: Timestamp,
}

/// Opens a session of `user`, who has `roles`.
pub(crate) fn open_session(
    tx: &mut Tx,
    user: User,
    roles: HashMap<VenueId, Role>,
    agent: &Agent,
) -> Result<Opened, IdentityError> {
    let now = tx.now();
    let session = Session { id: SessionId::fresh(now), user: user.id, created_at: now };
    let ends_at = refresh_token::session_end(now, now);
    let refresh_token = refresh_token::fresh()?;
    sessions::insert_session(tx, session, ends_at, agent.0.as_deref());
    sessions::insert_token(tx, refresh_token::hash(&refresh_token), session.id, now);
    Ok(Opened { user, session: session.id, roles, refresh_token, now, ends_at })
}

/// The tokens of a session.
pub(crate) fn tokens(signer: &Signer, opened: Opened) -> Result<Tokens, IdentityError> {
    let expires_at = opened.now + ACCESS_TOKEN_LIFE;
    let payload = Payload {
        iss: ISSUER.to_owned(),
        aud: ISSUER.to_owned(),
        sub: opened.user.id,
        sid: opened.session,
        iat: opened.now.as_second(),
        nbf: opened.now.as_second(),
        exp: expires_at.as_second(),
        jti: Uuid::new_v4().simple().to_string(),
        roles: opened.roles,
        dev: None,
    };
    Ok(Tokens {
        access_token: sign(signer, &payload)?,
        token_type: "Bearer",
        expires_at,
        refresh_token: opened.refresh_token,
        refresh_expires_at: opened.ends_at,
        user: opened.user,
    })
}

pub(crate) fn sign(signer: &Signer, payload: &Payload) -> Result<String, IdentityError> {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TOKEN_TYPE.to_owned());
    header.kid = Some(signer.kid.clone());
    jsonwebtoken::encode(&header, payload, &signer.key).map_err(|_| IdentityError::Crypto)
}

/// An answer with tokens: nobody between here and the client may keep it.
pub(crate) fn answer(status: StatusCode, tokens: &Tokens) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(tokens)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
