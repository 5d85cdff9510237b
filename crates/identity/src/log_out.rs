//! Log out: the session is over, here and on every socket.

use actix_web::{post, web};
use bus::Control;
use edge::{Actor, Answer, App, Body, Gone, Nothing, Rejection, WriteRefusals, can};

use crate::IdentityError;
use crate::end_sessions::end_these;
use crate::store::sessions;

/// Log out
///
/// Ends the session of the access token: its refresh tokens are void at once and its sockets are
/// closed. The access token is refused within a second (five, without Redis).
#[utoipa::path(
    operation_id = "logout", tag = "identity", request_body = Nothing,
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/auth/logout")]
pub(crate) async fn post_logout(
    actor: Actor<can::ActForSelf>,
    _: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    let Some(session) = actor.session else {
        return Err(Rejection::of(&IdentityError::SessionOver));
    };
    let answer = app
        .write(&actor, None, async move |tx| {
            let live = sessions::lock_sessions(tx, user).await?;
            end_these(tx, live.into_iter().filter(|one| *one == session).collect());
            Ok::<_, IdentityError>(Gone)
        })
        .await?;
    app.bus().publish_control(Control::SessionRevoked { session });
    Ok(answer)
}
