//! The hub's view of the log: two questions, so that tests can answer them without a database.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use kernel::event::Pos;
use kernel::ids::VenueId;
use pg::{Db, DbError, Head, Stored};

use crate::limits::{READ_DEADLINE, RING_EVENTS};

type Answer<T> = LocalBoxFuture<'static, Result<T, Away>>;
type AskHeads = dyn Fn(Vec<VenueId>) -> Answer<Vec<Head>>;
type AskEvents = dyn Fn(VenueId, i64, u16) -> Answer<Vec<Stored>>;

/// The log did not answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log did not answer: {0}")]
pub(crate) struct Away(pub(crate) String);

impl From<DbError> for Away {
    fn from(error: DbError) -> Self {
        Self(error.to_string())
    }
}

/// Head and rows of one venue, the head read first: the rows reach at least that far.
#[derive(Clone, Debug)]
pub(crate) struct Extract {
    pub(crate) head: Head,
    pub(crate) rows: Vec<Stored>,
}

/// Where heads and events are read.
#[derive(Clone)]
pub(crate) struct Log {
    heads: Rc<AskHeads>,
    events: Rc<AskEvents>,
}

impl Log {
    /// The log in PostgreSQL. It must be the primary: an older answer looks like a restored one.
    pub(crate) fn of(db: Db) -> Self {
        let twin = db.clone();
        Self::new(
            move |venues| {
                let db = db.clone();
                Box::pin(async move { Ok(db.heads(&venues).await?) })
            },
            move |venue, from, limit| {
                let db = twin.clone();
                Box::pin(async move { Ok(db.events(venue, from, limit).await?) })
            },
        )
    }

    pub(crate) fn new(
        heads: impl Fn(Vec<VenueId>) -> Answer<Vec<Head>> + 'static,
        events: impl Fn(VenueId, i64, u16) -> Answer<Vec<Stored>> + 'static,
    ) -> Self {
        Self { heads: Rc::new(heads), events: Rc::new(events) }
    }

    /// The heads of `venues`.
    pub(crate) async fn heads(&self, venues: Vec<VenueId>) -> Result<Vec<Head>, Away> {
        bounded((self.heads)(venues)).await
    }

    /// At most `limit` events from `from` on.
    pub(crate) async fn events(
        &self,
        venue: VenueId,
        from: i64,
        limit: u16,
    ) -> Result<Vec<Stored>, Away> {
        bounded((self.events)(venue, from, limit)).await
    }

    /// Head, and the rows from `from` on. None: there is no such venue.
    pub(crate) async fn extract(
        &self,
        venue: VenueId,
        from: Pos,
        limit: u16,
    ) -> Result<Option<Extract>, Away> {
        let Some(head) = self.heads(vec![venue]).await?.pop() else { return Ok(None) };
        let rows = self.events(venue, from.seq, limit).await?;
        Ok(Some(Extract { head, rows }))
    }

    /// Head and latest rows. None: there is no such venue.
    pub(crate) async fn latest(&self, venue: VenueId) -> Result<Option<Extract>, Away> {
        let Some(head) = self.heads(vec![venue]).await?.pop() else { return Ok(None) };
        let limit = u16::try_from(RING_EVENTS).unwrap_or(u16::MAX);
        let rows = self.events(venue, head.seq - i64::from(limit) + 1, limit).await?;
        Ok(Some(Extract { head, rows }))
    }
}

async fn bounded<T>(answer: Answer<T>) -> Result<T, Away> {
    tokio::time::timeout(READ_DEADLINE, answer)
        .await
        .unwrap_or_else(|_| Err(Away("no answer in time".into())))
}
