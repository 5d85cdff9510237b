//! Seals what was asked for with `Prefer: respond-async` until it is done: whoever reads the table
//! opens no hold with it and learns no name.

use std::sync::Arc;

use edge::seal::SealKey;
use kernel::ids::{RequestId, VenueId};
use pg::DbError;

use crate::BookingError;
use crate::carry_out::Command;
use crate::store::requests::Asked;

/// The key, for this purpose. Clones share it.
#[derive(Clone, Debug)]
pub struct RequestSeal(Arc<SealKey>);

/// A sealed request opens as that request alone.
fn belongs_to(venue: VenueId, id: RequestId) -> Vec<u8> {
    [b"booking.request".as_slice(), venue.0.as_bytes(), id.0.as_bytes()].concat()
}

impl RequestSeal {
    /// Seals with this key.
    #[must_use]
    pub fn new(key: Arc<SealKey>) -> Self {
        Self(key)
    }

    pub(crate) fn seal(
        &self,
        (venue, id): (VenueId, RequestId),
        command: &Command,
    ) -> Result<Vec<u8>, BookingError> {
        let plain = serde_json::to_vec(command).map_err(DbError::from)?;
        Ok(self.0.seal(&plain, &belongs_to(venue, id))?)
    }

    /// What was asked for; nothing where it is done.
    pub(crate) fn open(
        &self,
        venue: VenueId,
        asked: &Asked,
    ) -> Result<Option<Command>, BookingError> {
        let command = if let Some(sealed) = &asked.body_sealed {
            let plain = self.0.open(sealed, &belongs_to(venue, asked.id))?;
            Some(serde_json::from_slice(&plain).map_err(DbError::from)?)
        } else {
            // Kept by a worker of the release before, which did not seal.
            let read = |body| serde_json::from_str(body).map_err(DbError::from);
            asked.body.as_deref().map(read).transpose()?
        };
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kernel::ids::{ShowId, UserId};
    use pg::OnceKey;
    use uuid::Uuid;

    use super::*;

    fn asked(id: RequestId, body: Option<String>, body_sealed: Option<Vec<u8>>) -> Asked {
        Asked {
            id,
            user: UserId(Uuid::nil()),
            device: None,
            operation: "holdSeats".into(),
            key: OnceKey { key: String::new(), route: String::new(), body_hash: Vec::new() },
            body,
            body_sealed,
            asked_at: Timestamp::UNIX_EPOCH,
            done_at: None,
            refusal: None,
        }
    }

    #[test]
    fn a_command_is_read_as_it_was_kept_and_as_no_other_request() {
        let seal = RequestSeal::new(Arc::new(SealKey::from_bytes([7; 32])));
        let (venue, id) = (VenueId(Uuid::from_u128(1)), RequestId(Uuid::from_u128(2)));
        let sent = serde_json::from_str(r#"{"best": {"quantity": 4}}"#).unwrap();
        let command = Command::HoldSeats { show: ShowId(Uuid::from_u128(7)), sent };
        let plain = serde_json::to_string(&command).unwrap();
        let sealed = seal.seal((venue, id), &command).unwrap();
        let text = |asked: &Asked| {
            let command = seal.open(venue, asked).unwrap();
            command.map(|command| serde_json::to_string(&command).unwrap())
        };
        assert_eq!(text(&asked(id, None, Some(sealed.clone()))), Some(plain.clone()));
        assert_eq!(text(&asked(id, Some(plain.clone()), None)), Some(plain));
        assert_eq!(text(&asked(id, None, None)), None);
        let other = RequestId(Uuid::from_u128(3));
        assert!(seal.open(venue, &asked(other, None, Some(sealed.clone()))).is_err());
        let stranger = RequestSeal::new(Arc::new(SealKey::from_bytes([8; 32])));
        assert!(stranger.open(venue, &asked(id, None, Some(sealed))).is_err());
    }
}
