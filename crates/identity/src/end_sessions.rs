//! End sessions: one of one's own, or all but the present one.

use actix_web::{HttpResponse, delete, post, web};
use bus::{Bus, Control};
use edge::{Actor, App, Body, Nothing, Path, Rejection, WriteRefusals, can};
use kernel::ids::{SessionId, UserId};
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::store::{revocations, sessions};
use crate::{IdentityError, task};

/// `/auth/sessions/{session}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// The session.
    pub session: SessionId,
}

/// End one of my sessions
///
/// Its refresh tokens are void at once, its sockets are closed, and its access token is refused
/// within a second (five, without Redis).
#[utoipa::path(
    operation_id = "endSession", tag = "identity", params(SessionPath),
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[delete("/api/v1/auth/sessions/{session}")]
pub(crate) async fn delete_session(
    actor: Actor<can::ActForSelf>,
    at: Path<SessionPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (user, session) = (actor.user()?, at.session);
    end(app.as_ref().clone(), user, async move |tx| {
        let live = sessions::lock_sessions(tx, user).await?;
        if !live.contains(&session) {
            return Err(IdentityError::NoSuchSession);
        }
        end_these(tx, vec![session]);
        Ok(vec![session])
    })
    .await
}

/// End all my other sessions
///
/// Only the session of the access token goes on.
#[utoipa::path(
    operation_id = "endOtherSessions", tag = "identity", request_body = Nothing,
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/auth/sessions/end-others")]
pub(crate) async fn post_end_others(
    actor: Actor<can::ActForSelf>,
    _: Body<Nothing>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (user, kept) = (actor.user()?, actor.session);
    end(app.as_ref().clone(), user, async move |tx| end_sessions(tx, user, kept).await).await
}

async fn end<F>(app: App, user: UserId, op: F) -> Result<HttpResponse, Rejection>
where
    F: AsyncFn(&mut Tx) -> Result<Vec<SessionId>, IdentityError> + 'static,
{
    let ended = task::to_the_end(async move {
        let scope = Scope::person(Some(user));
        let ended = task::write(app.db(), "end_sessions", scope, async |tx| op(tx).await).await?;
        tell_ended(app.bus(), &ended);
        Ok(())
    });
    ended.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends the live sessions of `user` but `kept`, and gives them.
///
/// # Errors
/// The database's failures.
pub(crate) async fn end_sessions(
    tx: &mut Tx,
    user: UserId,
    kept: Option<SessionId>,
) -> Result<Vec<SessionId>, IdentityError> {
    let mut ended = sessions::lock_sessions(tx, user).await?;
    ended.retain(|session| Some(*session) != kept);
    end_these(tx, ended.clone());
    Ok(ended)
}

/// Ends sessions, and notes it for the workers that nobody tells.
pub(crate) fn end_these(tx: &mut Tx, sessions: Vec<SessionId>) {
    if !sessions.is_empty() {
        sessions::end_sessions(tx, sessions.clone());
        revocations::note_sessions(tx, sessions);
    }
}

/// Tells all workers and their sockets.
pub(crate) fn tell_ended(bus: &Bus, ended: &[SessionId]) {
    for session in ended {
        bus.publish_control(Control::SessionRevoked { session: *session });
    }
}
