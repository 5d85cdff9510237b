//! A slice's write, without a slice: what it does in its transaction.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use kernel::clock::Clock;
use kernel::event::{Event, Topic};
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::{Db, DbConfig, DbError, Opener, WriteTask};
use serde_json::json;
use testkit::{Bed, House};
use uuid::Uuid;

/// What a slice does in its write.
pub(crate) struct Slice {
    db: Db,
    venue: VenueId,
}

impl Slice {
    pub(crate) fn of(bed: &Bed, house: &House) -> Result<Self> {
        let config = DbConfig {
            url: bed.database().url().to_owned(),
            ca_pem: None,
            pool_size: 1,
            session_options: true,
            standing_sql: None,
        };
        let db = Db::new(&config, Clock::default()).map_err(anyhow::Error::msg)?;
        Ok(Self { db, venue: house.venue().parse()? })
    }

    pub(crate) async fn let_follow(
        &self,
        topic: Topic,
        id: Uuid,
        opener: Opener<'_>,
    ) -> Result<()> {
        self.let_follow_until(topic, id, opener, Timestamp::now() + SignedDuration::from_hours(9))
            .await
    }

    pub(crate) async fn let_follow_until(
        &self,
        topic: Topic,
        id: Uuid,
        opener: Opener<'_>,
        until: Timestamp,
    ) -> Result<()> {
        let task = WriteTask::job("let_follow", Scope::venue(self.venue, None));
        let write = async |tx: &mut pg::Tx| tx.let_follow(topic, id, opener, until);
        Ok(self.db.write::<(), DbError, _>(&task, write).await.map(drop)?)
    }

    /// An order becomes `status`; nobody but its followers is told.
    pub(crate) async fn tell_order(&self, id: Uuid, status: &str) -> Result<()> {
        let data = json!({"id": id, "status": status});
        let order = ("order", id, 1);
        self.tell(Event::new(Topic::Order, "order_updated", order, "status_changed", &data)?).await
    }

    /// Commits one event. Nobody publishes it: the workers find it in the log.
    pub(crate) async fn tell(&self, event: Event) -> Result<()> {
        let task = WriteTask::job("tell", Scope::venue(self.venue, None));
        let write = async |tx: &mut pg::Tx| {
            tx.emit(event.clone());
            Ok(())
        };
        Ok(self.db.write::<(), DbError, _>(&task, write).await.map(drop)?)
    }
}
