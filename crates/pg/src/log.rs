//! The event log: the truth that Redis only carries.
//!
//! The head row of the venue is taken last, in the packet of the commit, so that numbers have no
//! holes and stand in the order of the commits, and the head is locked as shortly as possible.

use bytes::Bytes;
use jiff::Timestamp;
use kernel::event::{Batch, Envelope, Event, Frame, Pos, TRANSACTION_COMPLETE, Topic};
use kernel::follow::Audience;
use kernel::ids::VenueId;
use kernel::scope::{Reach, Scope};
use postgres_types::{Json, ToSql};
use serde_json::value::RawValue;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::audit::{APPEND, ActColumns};
use crate::control::{self, Control};
use crate::once::{FILL_ANSWER, Row as OnceRow};
use crate::sql::Query;
use crate::tx::Tx;
use crate::{Columns, Db, DbError};

/// The events `$2` to `$8` under the next numbers of the venue `$1`. What stands before the head is
/// done before it is locked.
macro_rules! emit {
    ($before:literal) => {
        concat!(
            "with ",
            $before,
            "head as (
    update log.venue_head
    set seq = seq + cardinality($2::smallint[]), prev_at = at,
        at = greatest(clock_timestamp(), at + interval '1 microsecond')
    where venue_id = $1 returning seq, at, prev_at
), logged as (
    insert into log.venue_event
        (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
    select $1, head.seq - cardinality($2::smallint[]) + e.n, head.at, e.topic, e.type, e.entity,
           e.entity_id, e.version, e.action, $9,
           case e.type when 'atomic_transaction_complete' then format('{\"from\":%s,\"to\":%s}',
               head.seq - cardinality($2::smallint[]) + 1, head.seq - 1)::json else e.data end
    from head, unnest($2::smallint[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[],
                      $8::json[])
         with ordinality as e(topic, type, entity, entity_id, version, action, data, n)
)
select seq, at, prev_at from head"
        )
    };
}

const EMIT: &str = emit!("");
/// The same for a write with a key, whose answer is stored by the way.
const EMIT_AND_FILL: &str = emit!(
    "filled as (
    update log.once set status = $12, answer = $13, version = $14
    where venue_id = $1 and actor = $10 and key = $11
), "
);
const OPEN: &str = "insert into log.venue_head (venue_id) values ($1)";
const HEAD: &str = "select seq, at from log.venue_head where venue_id = $1";
const HEADS: &str = "select venue_id, seq, at from log.venue_head where venue_id = any($1)";
const EVENTS: &str = "select seq, at, topic, type, entity, entity_id, version, action, \
     data::text as data from log.venue_event where venue_id = $1 and seq >= $2 \
     order by seq limit $3";
const KEEP_PARTITIONS: &str = "select log.keep_partitions($1)";
const FORGET_KEYS: &str = "delete from log.once where created_at < now() - interval '24 hours'";
const FORGET_FOLLOWERS: &str = "delete from log.follower where until < now()";

/// Where a venue's log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub venue: VenueId,
    /// The number of the last event; 0 before the first.
    pub seq: i64,
    /// When it was committed; for 0, when the log was opened.
    pub at: Timestamp,
}

impl Head {
    /// The head as a position.
    #[must_use]
    pub fn pos(&self) -> Pos {
        Pos::new(self.seq, self.at)
    }
}

/// An event as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub seq: i64,
    /// When it was committed.
    pub at: Timestamp,
    /// Its envelope.
    pub frame: Frame,
}

/// The statement that reads the head of the venue `$1`, for the first place of a snapshot: what
/// is read after it is at least as new as the position.
#[must_use]
pub fn head_query<'a>(venue: &'a [&'a (dyn ToSql + Sync)]) -> Query<'a> {
    Query::new(HEAD, venue)
}

/// The position in a row of `head_query`.
///
/// # Errors
/// `Decode` for a row of another statement.
pub fn head_pos(row: &Row) -> Result<Pos, DbError> {
    Ok(Pos::new(row.col("seq")?, row.col("at")?))
}

impl Tx {
    /// Opens the log of a venue that is made in this transaction.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn open_log(&mut self, venue: VenueId) -> Result<(), DbError> {
        self.execute(OPEN, &[&venue]).await.map(drop)
    }
}

/// The last packet of a write: changes, stored answer, audit, events and head, commit.
pub(crate) async fn commit(
    tx: &mut Tx,
    status: u16,
    json: &str,
    version: Option<i64>,
) -> Result<Option<Batch>, DbError> {
    let (venue, actor) = (tx.scope.venue_or_nil(), tx.scope.actor());
    let once = tx.once.clone().map(|key| OnceRow::new(tx.scope, key));
    let status = i16::try_from(status).unwrap_or(200);
    let events = std::mem::take(&mut tx.events);
    let columns = EventColumns::of(&events);
    let acts = ActColumns::of(std::mem::take(&mut tx.acts), tx.scope, &tx.origin)?;
    let once_params = once.as_ref().map(|row| {
        let [venue, actor, key] = row.place();
        let params: [&(dyn ToSql + Sync); 6] = [venue, actor, key, &status, &json, &version];
        params
    });
    let act_params = acts.params(&venue, &actor);
    let event_params = columns.params(&venue, &actor);
    let both_params: Option<Vec<_>> =
        once_params.filter(|_| !events.is_empty()).map(|[_, actor, key, status, json, version]| {
            event_params.into_iter().chain([actor, key, status, json, version]).collect()
        });
    let mut last = Vec::with_capacity(3);
    if let (Some(params), None) = (&once_params, &both_params) {
        last.push(Query::new(FILL_ANSWER, params));
    }
    if !acts.is_empty() {
        last.push(Query::new(APPEND, &act_params));
    }
    match &both_params {
        Some(params) => last.push(Query::new(EMIT_AND_FILL, params)),
        None if events.is_empty() => {}
        None => last.push(Query::new(EMIT, &event_params)),
    }
    let mut rows = if Control::PublishAfterCommit.is_out() {
        commit_told(tx, &last, &events).await?
    } else {
        tx.commit_for_good(&last).await?
    };
    if events.is_empty() {
        return Ok(None);
    }
    let head = rows.pop().unwrap_or_default();
    let Reach::Venue(venue) = tx.scope.reach else { return Ok(None) };
    head.first().map(|row| batch(venue, &events, row)).transpose()
}

/// As the control wants it: tells of the events first and commits then.
async fn commit_told(
    tx: &mut Tx,
    last: &[Query<'_>],
    events: &[Event],
) -> Result<Vec<Vec<Row>>, DbError> {
    let rows = tx.send_changes(last).await?;
    let head = rows.last().and_then(|rows| rows.first()).filter(|_| !events.is_empty());
    if let (Reach::Venue(venue), Some(head)) = (tx.scope.reach, head) {
        control::tell_early(batch(venue, events, head)?).await;
    }
    tx.commit_with(&[]).await?;
    Ok(rows)
}

pub(crate) fn batch(venue: VenueId, events: &[Event], head: &Row) -> Result<Batch, DbError> {
    let (last, at): (i64, Timestamp) = (head.col("seq")?, head.col("at")?);
    let first_seq = last - i64::try_from(events.len()).unwrap_or(0) + 1;
    // The same text as the statement writes: what is told now and what is read later agree.
    let numbers = format!(r#"{{"from":{first_seq},"to":{}}}"#, last - 1);
    let frames = events
        .iter()
        .zip(first_seq..)
        .map(|(event, seq)| Frame {
            topic: event.audience.topic,
            follow: event.audience.follow(event.entity_id),
            json: Envelope {
                venue,
                seq,
                at,
                kind: event.kind,
                entity: event.entity,
                entity_id: event.entity_id,
                version: event.version,
                action: event.action,
                data: if event.kind == TRANSACTION_COMPLETE { &numbers } else { event.data.get() },
            }
            .to_json(),
        })
        .collect();
    Ok(Batch { venue, first_seq, at, prev_at: head.col("prev_at")?, frames })
}

/// The events of a write, one array per column.
#[derive(Default)]
struct EventColumns<'a> {
    topic: Vec<i16>,
    kind: Vec<&'a str>,
    entity: Vec<&'a str>,
    entity_id: Vec<Uuid>,
    version: Vec<i64>,
    action: Vec<&'a str>,
    data: Vec<Json<&'a RawValue>>,
}

impl<'a> EventColumns<'a> {
    fn of(events: &'a [Event]) -> Self {
        let mut all = Self::default();
        for event in events {
            all.topic.push(event.audience.number());
            all.kind.push(event.kind);
            all.entity.push(event.entity);
            all.entity_id.push(event.entity_id);
            all.version.push(event.version);
            all.action.push(event.action);
            all.data.push(Json(&event.data));
        }
        all
    }

    fn params<'p>(&'p self, venue: &'p Uuid, actor: &'p Uuid) -> [&'p (dyn ToSql + Sync); 9] {
        [
            venue,
            &self.topic,
            &self.kind,
            &self.entity,
            &self.entity_id,
            &self.version,
            &self.action,
            &self.data,
            actor,
        ]
    }
}

impl Db {
    /// The heads of `venues`, in one query. A venue without a log is absent.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn heads(&self, venues: &[VenueId]) -> Result<Vec<Head>, DbError> {
        let rows = self.job_query(HEADS, &[&venues]).await?;
        rows.iter()
            .map(|row| {
                Ok(Head { venue: row.col("venue_id")?, seq: row.col("seq")?, at: row.col("at")? })
            })
            .collect()
    }

    /// At most `limit` events of `venue` from the number `from_seq` on, in order.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn events(
        &self,
        venue: VenueId,
        from_seq: i64,
        limit: u16,
    ) -> Result<Vec<Stored>, DbError> {
        self.read_events(venue, (from_seq, limit), cut).await
    }

    /// The same with all their data, however large.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn full_events(
        &self,
        venue: VenueId,
        from_seq: i64,
        limit: u16,
    ) -> Result<Vec<Stored>, DbError> {
        self.read_events(venue, (from_seq, limit), whole).await
    }

    async fn read_events(
        &self,
        venue: VenueId,
        (from_seq, limit): (i64, u16),
        write: fn(&Envelope<'_>) -> Bytes,
    ) -> Result<Vec<Stored>, DbError> {
        let limit = i64::from(limit);
        let rows = self.job_query(EVENTS, &[&venue, &from_seq, &limit]).await?;
        rows.iter().map(|row| stored(venue, row, write)).collect()
    }

    /// Makes the log's partitions of the days to come, drops those older than `days`, and forgets
    /// keys older than a day and followers whose time is over.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn keep_log(&self, days: i32) -> Result<(), DbError> {
        self.job_write(FORGET_KEYS, &[]).await?;
        self.job_write(FORGET_FOLLOWERS, &[]).await?;
        self.job_write(KEEP_PARTITIONS, &[&days]).await
    }

    async fn job_query(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        // What is read here is told to sockets.
        self.read_durable(Scope::job(), sql, params).await
    }

    async fn job_write(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(), DbError> {
        let task = crate::WriteTask::job("keep_log", Scope::job());
        self.write(&task, async |tx| tx.execute(sql, params).await.map(drop)).await.map(drop)
    }
}

fn cut(event: &Envelope<'_>) -> Bytes {
    event.to_json()
}

fn whole(event: &Envelope<'_>) -> Bytes {
    event.to_full_json()
}

fn stored(venue: VenueId, row: &Row, write: fn(&Envelope<'_>) -> Bytes) -> Result<Stored, DbError> {
    let (seq, at) = (row.col("seq")?, row.col("at")?);
    let envelope = Envelope {
        venue,
        seq,
        at,
        kind: row.col("type")?,
        entity: row.col("entity")?,
        entity_id: row.col("entity_id")?,
        version: row.col("version")?,
        action: row.col("action")?,
        data: row.col("data")?,
    };
    // A number that this version does not know comes from a newer one: nobody here may hear it.
    let audience = Audience::from_number(row.col("topic")?).unwrap_or(Topic::Audit.into());
    let follow = audience.follow(envelope.entity_id);
    Ok(Stored { seq, at, frame: Frame { topic: audience.topic, follow, json: write(&envelope) } })
}
