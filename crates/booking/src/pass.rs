//! What a customer needs to hold or book seats while the show has a line.

use kernel::ids::{ShowId, UserId};
use pg::Tx;

use crate::BookingError;
use crate::line::PlaceStatus;
use crate::store::lines;

/// Turns away whom a look at the show has shown to have no pass, before any work is done for them.
/// `has_pass` is none where none is needed.
pub(crate) fn check_pass(has_pass: Option<bool>) -> Result<(), BookingError> {
    if has_pass == Some(false) { Err(BookingError::PassNeeded) } else { Ok(()) }
}

/// Uses the user's pass once, if the show has an open line: locked, looked at, counted. Behind all
/// other locks but the log's head, so nobody waits for a seat with a pass in their hand.
pub(crate) async fn use_pass(tx: &mut Tx, show: ShowId, user: UserId) -> Result<(), BookingError> {
    let (line, pass) = lines::lock_pass(tx, show, user).await?;
    if !line.is_some_and(|line| line.open) {
        return Ok(());
    }
    let now = tx.now();
    let mut pass = pass.filter(|pass| pass.is_pass(now)).ok_or(BookingError::PassNeeded)?;
    pass.uses += 1;
    if !pass.is_pass(now) {
        pass.status = PlaceStatus::Used;
    }
    Ok(lines::set_place(tx, show, &pass)?)
}
