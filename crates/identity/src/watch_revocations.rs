//! What was taken back elsewhere, for a worker that nobody tells: without Redis, or when a message
//! of it was lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bus::{Bus, Control};
use edge::revoked::REVOKED_FOR;
use jiff::{SignedDuration, Timestamp};
use kernel::scope::Scope;
use pg::Db;

use crate::IdentityError;
use crate::keys::Keys;
use crate::store::revocations::{self, Revocation, Taken};

/// Rows of one look.
const ROWS_MAX: i64 = 10_000;
/// A transaction may commit this much later than it says: that far back each look begins.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);

/// What this worker has heard of already. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    newest: Option<Timestamp>,
    ids: HashMap<i64, Timestamp>,
}

impl Watch {
    /// One look. Call it before the first request is served, and every two seconds.
    ///
    /// # Errors
    /// The database's failures.
    pub async fn look(&self, db: &Db, bus: &Bus, keys: &Keys) -> Result<(), IdentityError> {
        let since = self.since(db.clock().now());
        let found = db
            .read(Scope::person(None), async |q| {
                revocations::list_revocations(q, since, ROWS_MAX).await
            })
            .await
            .map_err(IdentityError::from)?;
        for what in self.news(found) {
            match what {
                Taken::Session(session) => bus.tell_control(Control::SessionRevoked { session }),
                Taken::Role(user, venue) => {
                    bus.tell_control(Control::MembershipChanged { user, venue });
                }
                Taken::Events(venue, until) => {
                    bus.tell_control(Control::EventsForgotten { venue, until });
                }
                Taken::Keys => keys.reload(db).await?,
            }
        }
        Ok(())
    }

    fn since(&self, now: Timestamp) -> Timestamp {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.newest.map_or(now - REVOKED_FOR, |newest| newest - OVERLAP)
    }

    fn news(&self, found: Vec<Revocation>) -> Vec<Taken> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        for Revocation { id, at, what } in found {
            seen.newest = seen.newest.max(Some(at));
            if seen.ids.insert(id, at).is_none() {
                news.push(what);
            }
        }
        if let Some(newest) = seen.newest {
            seen.ids.retain(|_, at| *at >= newest - OVERLAP - OVERLAP);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use kernel::ids::SessionId;
    use uuid::Uuid;

    use super::*;

    fn row(id: i64, secs: i64) -> Revocation {
        let at = Timestamp::from_second(secs).unwrap();
        let what = Taken::Session(SessionId(Uuid::from_u128(id.unsigned_abs().into())));
        Revocation { id, at, what }
    }

    #[test]
    fn each_row_is_news_once_and_late_ones_are_found() {
        let watch = Watch::default();
        let at = |secs| Timestamp::from_second(secs).unwrap();
        assert_eq!(watch.since(at(10_000)), at(10_000) - REVOKED_FOR);
        assert_eq!(watch.news(vec![row(1, 9000), row(2, 9100)]).len(), 2);
        assert_eq!(watch.since(at(10_000)), at(9040));
        // One that committed late stands before what was seen.
        assert_eq!(watch.news(vec![row(3, 9050), row(2, 9100)]).len(), 1);
        assert_eq!(watch.news(vec![row(4, 9500)]).len(), 1);
        assert_eq!(watch.0.lock().unwrap().ids.len(), 1, "old numbers are forgotten");
    }
}
