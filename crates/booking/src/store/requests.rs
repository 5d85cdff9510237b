//! What was asked for and is done later.

use jiff::Timestamp;
use kernel::ids::{DeviceId, RequestId, UserId, VenueId};
use pg::{Columns, DbError, OnceKey, Query, Reader, Row, Tx, params};

/// How long the stream alone says that there is something to do, in seconds.
const LOST_AFTER_SECS: i32 = 2;
/// How long whoever finds a lost request has for it, in seconds.
const LEASE_SECS: i32 = 10;
/// After so long a request is looked after however busy the stream is, in seconds.
const LATE_SECS: i32 = 60;
/// Requests that one round finds.
const LOST_MAX: i64 = 50;
/// Rows that one round forgets.
const FORGET_MAX: i64 = 10_000;

pg::statements! {
    // The same request again is the same row.
    INSERT_REQUEST = "insert into booking.request
            (venue_id, id, user_id, device_id, operation, key, route, body_hash, body_sealed,
             asked_at, due_at)
        select $1, $2, $3, $4, $5, $6, $7, $8, $9, now.at, now.at + $11::int * interval '1 second'
        from (select clock_timestamp() + $10::bigint * interval '1 microsecond' as at) now
        on conflict (venue_id, user_id, key) do nothing";
    FIND_BY_KEY = "select id, user_id, device_id, operation, key, route, body_hash, body, body_sealed,
            asked_at, done_at, refusal_status, refusal
        from booking.request where venue_id = $1 and user_id = $2 and key = $3";
    FIND_REQUEST = "select id, user_id, device_id, operation, key, route, body_hash, body, body_sealed,
            asked_at, done_at, refusal_status, refusal
        from booking.request where venue_id = $1 and id = $2";
    // Nothing of it is kept but whose it is and where its answer stands.
    CLOSE_REQUEST = "update booking.request
        set done_at = $3, body = null, body_sealed = null, refusal_status = $4, refusal = $5
        where venue_id = $1 and id = $2 and done_at is null";
    DELETE_REQUEST = "delete from booking.request
        where venue_id = $1 and id = $2 and done_at is null";
    // What nobody does, though nobody else's stream has it. Several workers look: each takes other
    // rows, and has them for a while.
    CLAIM_LOST = "update booking.request r
        set due_at = now.at + $2::int * interval '1 second'
        from (select clock_timestamp() + $1::bigint * interval '1 microsecond' as at) now
        where r.done_at is null and (r.venue_id, r.id) in (
            select l.venue_id, l.id from booking.request l
            where l.done_at is null
              and l.due_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
              and ($3 or l.asked_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
                                       - $4::int * interval '1 second')
            order by l.due_at limit $5 for update skip locked)
        returning r.venue_id, r.id";
    // As long as the answers under the keys.
    FORGET_REQUESTS = "delete from booking.request where (venue_id, id) in (
        select venue_id, id from booking.request
        where done_at is not null and asked_at < now() - interval '24 hours' limit $1)";
}

/// A request, as its row says.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "a time is named by what it is the time of")]
pub(crate) struct Asked {
    pub(crate) id: RequestId,
    pub(crate) user: UserId,
    pub(crate) device: Option<DeviceId>,
    pub(crate) operation: String,
    pub(crate) key: OnceKey,
    /// None when it is done, or sealed.
    pub(crate) body: Option<String>,
    /// None when it is done.
    pub(crate) body_sealed: Option<Vec<u8>>,
    pub(crate) asked_at: Timestamp,
    pub(crate) done_at: Option<Timestamp>,
    /// A refusal that does not stand under the key.
    pub(crate) refusal: Option<Refused>,
}

/// A refusal on its way to whoever asked.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) status: i16,
    pub(crate) json: String,
}

fn asked(row: &Row) -> Result<Asked, DbError> {
    let refusal = row.col::<Option<i16>>("refusal_status")?.zip(row.col("refusal")?);
    Ok(Asked {
        id: row.col("id")?,
        user: row.col("user_id")?,
        device: row.col("device_id")?,
        operation: row.col("operation")?,
        key: OnceKey {
            key: row.col("key")?,
            route: row.col("route")?,
            body_hash: row.col("body_hash")?,
        },
        body: row.col("body")?,
        body_sealed: row.col("body_sealed")?,
        asked_at: row.col("asked_at")?,
        done_at: row.col("done_at")?,
        refusal: refusal.map(|(status, json)| Refused { status, json }),
    })
}

/// What is to be kept of a new request.
pub(crate) struct NewRequest {
    pub(crate) id: RequestId,
    pub(crate) user: UserId,
    pub(crate) device: Option<DeviceId>,
    pub(crate) operation: &'static str,
    pub(crate) key: OnceKey,
    pub(crate) body_sealed: Vec<u8>,
}

/// Keeps the request unless its key has one, and gives the one that its key has. One packet.
pub(crate) async fn insert_or_find(tx: &mut Tx, new: &NewRequest) -> Result<Asked, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let OnceKey { key, route, body_hash } = &new.key;
    let [_, found] = tx
        .pipeline([
            Query::new(
                INSERT_REQUEST,
                &[
                    &venue,
                    &new.id,
                    &new.user,
                    &new.device,
                    &new.operation,
                    key,
                    route,
                    body_hash,
                    &new.body_sealed,
                    &offset,
                    &LOST_AFTER_SECS,
                ],
            ),
            Query::new(FIND_BY_KEY, &[&venue, &new.user, key]),
        ])
        .await?;
    // Gone in between: another worker could not tell the stream, and took it back.
    found.first().map(asked).transpose()?.ok_or(DbError::Busy)
}

pub(crate) async fn find(q: &mut Reader, id: RequestId) -> Result<Option<Asked>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_REQUEST, &[&venue, &id]).await?.first().map(asked).transpose()
}

/// It is done, and its answer stands under its key unless `refusal` has it.
pub(crate) fn close(tx: &mut Tx, id: RequestId, refusal: Option<Refused>) -> Result<(), DbError> {
    let (status, json) = refusal.map(|Refused { status, json }| (status, json)).unzip();
    let row = params![tx.venue()?, id, tx.now(), status, json];
    tx.change(CLOSE_REQUEST, row);
    Ok(())
}

/// Nobody is to do it any more.
pub(crate) fn take_back(tx: &mut Tx, id: RequestId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_REQUEST, row);
    Ok(())
}

/// Requests that nobody does; the caller has them for a while. `idle`: the stream is empty, or
/// away.
pub(crate) async fn claim_lost(
    tx: &mut Tx,
    idle: bool,
) -> Result<Vec<(VenueId, RequestId)>, DbError> {
    let offset = tx.clock_offset_micros();
    let rows =
        tx.execute(CLAIM_LOST, &[&offset, &LEASE_SECS, &idle, &LATE_SECS, &LOST_MAX]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("id")?))).collect()
}

pub(crate) fn forget(tx: &mut Tx) {
    tx.change(FORGET_REQUESTS, params![FORGET_MAX]);
}
