//! A hold in one round trip: named seats against which nothing stands. In a rush those of one show
//! that wait for one another go together, see `edge::gather`.

use edge::limits::{HOLD_MAX_SECS, LIVE_HOLDS_PER_CUSTOMER_MAX};
use edge::{Actor, Answer, App, can};
use kernel::ids::{HoldId, ShowId};
use kernel::time::micros;
use pg::control::Control;
use pg::{Call, Columns, OnceKey, params};

use crate::hold_seats::HoldSeats;
use crate::store::holds::{AT_ONCE, locks_at_once};
use crate::{BookingError, event, secret};

/// Holds what `cmd` names, if all of it is free under the locks, on sale to everybody, and no more
/// than the holder may have. None: nothing was done, or nobody knows; whoever holds next finds the
/// key if it was.
pub(crate) async fn hold_at_once(
    app: &App,
    actor: &Actor<can::HoldSeats>,
    once: Option<&OnceKey>,
    show: ShowId,
    cmd: &HoldSeats,
) -> Result<Option<Answer>, BookingError> {
    let (Some(labels), None, Some(once)) = (&cmd.seats, &cmd.code, once) else { return Ok(None) };
    let Some(user) = actor.scope.user.filter(|_| !Control::SeatLocks.is_out()) else {
        return Ok(None);
    };
    let (limited, now) = (!actor.standing.is_staff(), micros(app.clock().now()));
    let token = secret::fresh()?;
    let event = event::seats_held(show, labels, now)?;
    let mut params = params![
        show,
        labels.clone(),
        user,
        limited,
        LIVE_HOLDS_PER_CUSTOMER_MAX,
        HoldId::fresh(now),
        token.clone(),
        secret::hash(&token),
        HOLD_MAX_SECS,
        app.clock().offset_micros(),
    ];
    params.extend(params![
        once.key.clone(),
        once.route.clone(),
        once.body_hash.clone(),
        event.audience.number(),
    ]);
    let locks = locks_at_once(user, limited, show, labels);
    let call = Call { sql: AT_ONCE, params, event, locks };
    // Whoever may not is told so by the longer way.
    let Some((row, pos)) = app.call(actor, call).await.ok().flatten() else { return Ok(None) };
    Ok(Some(Answer::called(201, row.col("answer")?, None, pos)))
}
