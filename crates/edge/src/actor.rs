//! Who is calling, and that they may.

use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use kernel::ids::{SessionId, UserId, VenueId};
use kernel::problem::Problem;
use kernel::role::{Needs, Permission, Standing};
use kernel::scope::{Origin, Scope};
use pg::DbError;

use crate::address::ClientAddress;
use crate::app::App;
use crate::late::deciding;
use crate::rejection::{Rejection, no_such_route};
use crate::request_log::request_id;
use crate::token::{Claims, DeviceClaim, TokenError};

/// The caller of an operation that needs `G`. Always a handler's first argument: actix polls
/// extractors in order and answers the first error, so 401 comes before any word about the body;
/// where the database has to be asked, `late` keeps such words back.
pub struct Actor<G> {
    /// Whose data the operation may touch, and who acts.
    pub scope: Scope,
    /// What the caller is in the venue of the path; a customer where the path has none.
    pub standing: Standing,
    /// The caller's session.
    pub session: Option<SessionId>,
    /// Where the request came from.
    pub origin: Origin,
    needs: PhantomData<G>,
}

impl<G> Actor<G> {
    /// The signed-in user.
    ///
    /// # Errors
    /// 401 when nobody is signed in; cannot happen where `G` is not open to anyone.
    pub fn user(&self) -> Result<UserId, Rejection> {
        self.scope.user.ok_or_else(|| no_token().into())
    }
}

/// Who calls, before the permission is looked at.
struct Caller {
    claims: Option<Claims>,
    venue: Option<VenueId>,
    origin: Origin,
}

impl Caller {
    fn of(request: &HttpRequest, app: &App, needed: Permission) -> Result<Self, Rejection> {
        let venue = match request.match_info().get("venue") {
            Some(text) => Some(text.parse().map_err(|_| no_such_route(404, request.path()))?),
            None => None,
        };
        let claims = match bearer(request) {
            // Whoever signs in or refreshes may still send the token that has expired.
            _ if needed == Permission::Enter => None,
            Ok(Some(token)) => Some(app.keys().verify(token).map_err(|error| {
                // A device that was revoked goes on with the token that it has.
                if let (TokenError::Revoked, Some(device)) = (error, app.keys().device_of(token)) {
                    app.note_refused(device.venue, device.id);
                }
                bad_token(error)
            })?),
            Ok(None) => None,
            Err(error) => return Err(error),
        };
        let address = ClientAddress::of(request);
        app.count(address, claims.as_ref().map(Claims::counted), venue)?;
        let origin = Origin { address: Some(address.0), request_id: Some(request_id()) };
        Ok(Self { claims, venue, origin })
    }

    /// What the token says of the caller's standing: a hint.
    fn standing(&self) -> Standing {
        if let Some(device) = self.device() {
            let here = self.venue == Some(device.venue);
            return if here { Standing::Device(device.profile) } else { Standing::Anyone };
        }
        match (&self.claims, self.venue) {
            (None, _) => Standing::Anyone,
            (Some(claims), Some(venue)) => {
                claims.roles.get(&venue).map_or(Standing::Customer, |role| Standing::Member(*role))
            }
            (Some(_), None) => Standing::Customer,
        }
    }

    fn distrusted(&self, app: &App) -> bool {
        let claims = self.claims.as_ref();
        claims.zip(self.venue).is_some_and(|(c, venue)| app.keys().distrusts(c.user, venue))
    }

    fn device(&self) -> Option<DeviceClaim> {
        self.claims.as_ref().and_then(|claims| claims.device)
    }

    fn scope(&self) -> Scope {
        let user = self.claims.as_ref().map(|claims| claims.user);
        let scope = match self.venue {
            Some(venue) => Scope::venue(venue, user),
            None => Scope::person(user),
        };
        scope.on(self.device().map(|device| device.id))
    }

    fn actor<G>(self, standing: Standing) -> Actor<G> {
        let scope = self.scope();
        let session = self.claims.as_ref().map(|claims| claims.session);
        Actor { scope, standing, session, origin: self.origin, needs: PhantomData }
    }
}

impl<G: Needs> FromRequest for Actor<G> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<web::Data<App>>().cloned();
        let caller = match &app {
            Some(app) => Caller::of(request, app, G::PERMISSION),
            None => Err(Rejection::from(DbError::Away)),
        };
        let path = request.path().to_owned();
        let to_be_read = caller.as_ref().is_ok_and(|caller| {
            // A role that was changed since the token was made is looked up, for reads too.
            let changed = app.as_ref().is_some_and(|app| caller.distrusted(app));
            changed || !caller.standing().may(G::PERMISSION)
        });
        let deciding = to_be_read.then(|| deciding(request));
        Box::pin(async move {
            // Whatever else is wrong with the request is told when this is dropped.
            let _deciding = deciding;
            let caller = caller?;
            if !to_be_read {
                let hint = caller.standing();
                return Ok(caller.actor(hint));
            }
            let (Some(claims), Some(app)) = (&caller.claims, app) else {
                return Err(no_token().into());
            };
            let Some(venue) = caller.venue else { return Err(forbidden()) };
            if claims.device.is_some_and(|device| device.venue != venue) {
                return Err(no_such_route(404, &path).into());
            }
            // The token does not know of a role that was given after it was minted.
            match app.standing(caller.scope(), venue).await? {
                standing if standing.may(G::PERMISSION) => Ok(caller.actor(standing)),
                Standing::Member(_) | Standing::Device(_) => {
                    app.note_denied(caller.scope(), &caller.origin, G::PERMISSION, "forbidden");
                    Err(forbidden())
                }
                // Whoever has no role here is not told whether the venue exists.
                Standing::Customer | Standing::Anyone => Err(no_such_route(404, &path).into()),
            }
        })
    }
}

fn bearer(request: &HttpRequest) -> Result<Option<&str>, Rejection> {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    token.map(Some).ok_or_else(|| bad_token(TokenError::Invalid).into())
}

fn no_token() -> Problem {
    Problem::new(
        401,
        "no_token",
        "Nobody is signed in",
        "Sign in with POST /api/v1/auth/login and send the access token as Authorization: Bearer …",
    )
}

/// The problem of a token that does not count.
#[must_use]
pub fn bad_token(error: TokenError) -> Problem {
    match error {
        TokenError::Expired => Problem::new(
            401,
            "token_expired",
            "The access token has expired",
            "Get a new one with POST /api/v1/auth/refresh and send the same request again.",
        ),
        TokenError::Revoked => Problem::new(
            401,
            "token_revoked",
            "The session is over",
            "It was ended, here or from another device. Sign in again with POST /api/v1/auth/login.",
        ),
        TokenError::Invalid => Problem::new(
            401,
            "token_invalid",
            "The access token is not valid",
            "It was not made by this server. Sign in again with POST /api/v1/auth/login.",
        ),
    }
}

fn forbidden() -> Rejection {
    DbError::Forbidden.into()
}
