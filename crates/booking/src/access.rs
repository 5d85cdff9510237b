//! What opens a share of seats that is not for everybody: a code, or a role.

use kernel::role::Standing;

use crate::model::Seat;
use crate::{BookingError, secret};

/// What somebody who asks for seats brings along.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    code_hash: Option<Vec<u8>>,
    /// What the caller was in the venue when the request came.
    standing: Option<Standing>,
}

impl Access {
    /// With the code that was sent, if one was, by somebody of this standing.
    pub(crate) fn of(code: Option<&str>, standing: Standing) -> Self {
        let code_hash = code.map(|code| secret::hash(code.trim()));
        Self { code_hash, standing: Some(standing) }
    }

    pub(crate) fn code_hash(&self) -> Option<&[u8]> {
        self.code_hash.as_deref()
    }

    /// The role to look with; whether it still is theirs the lock checks.
    pub(crate) fn role_to_look(&self) -> Option<&'static str> {
        self.standing.and_then(role)
    }
}

/// The role that may open a share, if the caller has one here.
pub(crate) fn role(standing: Standing) -> Option<&'static str> {
    if let Standing::Member(role) = standing { Some(role.as_str()) } else { None }
}

/// Seats of a share are for those who opened it.
pub(crate) fn check_open(seats: &[Seat], open: &[String]) -> Result<(), BookingError> {
    let closed: Vec<String> = seats
        .iter()
        .filter(|seat| seat.allocation.as_ref().is_some_and(|name| !open.contains(name)))
        .map(|seat| seat.label.clone())
        .collect();
    if closed.is_empty() { Ok(()) } else { Err(BookingError::Reserved(closed)) }
}
