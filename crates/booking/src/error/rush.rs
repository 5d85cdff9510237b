//! What the API says of lines, passes, and requests that are done later.

use kernel::problem::Problem;

use super::BookingError;

/// Seconds after which a full line may have room.
const LINE_RETRY_SECS: u32 = 30;

impl BookingError {
    pub(super) fn about_the_rush(&self) -> Problem {
        match self {
            Self::PassNeeded => Problem::new(
                409,
                "booking.pass_needed",
                "A pass is needed",
                "The show has a line. Join it with POST …/shows/{show}/line, wait until `served` \
                 of the event line_moved reaches your place (or ask GET …/line/me), then send this \
                 again with a fresh Idempotency-Key before `passUntil`.",
            ),
            Self::NoLine => Problem::new(
                409,
                "booking.no_line",
                "The show has no line",
                "Nobody needs a pass: hold seats at once.",
            ),
            Self::LineFull => Problem::new(
                503,
                "booking.line_full",
                "The line is full",
                "So many stand there already that seats for all of them are unlikely. Try again \
                 later.",
            )
            .retry_after(LINE_RETRY_SECS),
            Self::NoPlace => Problem::new(
                404,
                "booking.no_place",
                "You have no place in this line",
                "Join it with POST …/shows/{show}/line.",
            ),
            _ => Problem::new(
                404,
                "booking.no_such_request",
                "There is no such request",
                "It does not exist, it is not yours, or it is more than a day old. Use the Location \
                 of the answer 202.",
            ),
        }
    }
}
