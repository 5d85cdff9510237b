//! Holds.

use jiff::Timestamp;
use kernel::ids::{BundleId, HoldId, ShowId, UserId, VenueId};
use pg::{Columns, DbError, Lock, Query, Reader, Row, Tx, params};

use crate::model::{Claim, HoldStatus, Seat, Show};
use crate::store::{seats, shows};

pg::statements! {
    // The hold first, then its seats: confirm, release, extend and expire of one hold queue here.
    LOCK_HOLD = "select id, show_id, user_id, token_hash, seats, total, status, expires_at, ends_at,
            bundle_id
        from booking.hold where venue_id = $1 and id = $2 for update";
    // The seats in seat order, as everywhere.
    LOCK_SEATS_OF_HOLD = "select s.seat, s.label, s.block, s.category, s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.hold h join booking.seat s
            on s.venue_id = h.venue_id and s.show_id = h.show_id and s.seat = any(h.seats)
        where h.venue_id = $1 and h.id = $2 order by s.seat for update of s";
    CLAIMS_OF_HOLD = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.hold h join booking.claim c
            on c.venue_id = h.venue_id and c.show_id = h.show_id and c.hold_id = h.id
        where h.venue_id = $1 and h.id = $2";
    SHOW_OF_HOLD = "select s.id, s.name, s.description, s.starts_at, s.status, s.hold_secs,
            s.currency::text, s.seat_count, s.tickets, s.payment, s.pay_secs, s.version
        from booking.hold h join booking.show s on s.venue_id = h.venue_id and s.id = h.show_id
        where h.venue_id = $1 and h.id = $2";
    // Hold and claims in one statement: the foreign key is checked when both are there.
    INSERT_HOLD = "with made as (
            insert into booking.hold (venue_id, id, show_id, user_id, token_hash, seats, total,
                                      status, expires_at, ends_at, created_at, bundle_id)
            values ($1, $2, $3, $4, $5, $6, $7, 'live', $8, $9, $10, $11))
        insert into booking.claim (venue_id, show_id, seat, hold_id, expires_at)
        select $1, $3, seat, $2, $8 from unnest($6::int[]) as seat";
    // All of a hold in one packet, see the function in the migrations; and what several of them lock
    // beforehand: the customers, then the seats, each named by its show and its label.
    HOLD_AT_ONCE = "select answer, 0::bigint as version, seq, at, prev_at, data
        from booking.hold_seats($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    LOCK_HOLDERS = "select pg_advisory_xact_lock(hashtextextended(holder, 7))
        from unnest($2::text[]) holder where $1::uuid is not null";
    // Each seat is looked up (`offset 0` keeps it so: a join read all seats of the show), and then they
    // are locked in the order of all holds.
    LOCK_HELD = "select from (
            select f.show_id, f.seat from unnest($2::text[]) key cross join lateral (
                select s.show_id, s.seat from booking.seat s
                where s.venue_id = $1 and s.show_id = left(key, 36)::uuid
                  and s.label = substr(key, 38) offset 0) f
            order by f.show_id, f.seat) k
        cross join lateral (select from booking.seat s
            where s.venue_id = $1 and s.show_id = k.show_id and s.seat = k.seat for update) l";
    END_HOLD = "update booking.hold set status = $3 where venue_id = $1 and id = $2";
    EXTEND_HOLD = "with longer as (
            update booking.hold set expires_at = $3 where venue_id = $1 and id = $2)
        update booking.claim set expires_at = $3
        where venue_id = $1 and show_id = $4 and hold_id = $2 and booking_id is null";
    VENUES_WITH_DUE_HOLDS = "select distinct venue_id from booking.hold
        where status = 'live' and expires_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        limit $2";
    // Another worker may be sweeping the same venue: what it has taken is left to it.
    LOCK_DUE_HOLDS = "select id, show_id from booking.hold
        where venue_id = $1 and status = 'live'
          and expires_at <= clock_timestamp() + $2::bigint * interval '1 microsecond'
        order by id limit $3 for update skip locked";
    LOCK_SEATS_OF_HOLDS = "select h.id as hold, s.show_id, s.seat, s.label, s.block, s.category,
            s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.hold h join booking.seat s
            on s.venue_id = h.venue_id and s.show_id = h.show_id and s.seat = any(h.seats)
        where h.venue_id = $1 and h.id = any($2) order by s.show_id, s.seat for update of s";
    CLAIMS_OF_HOLDS = "select seat, show_id, hold_id, booking_id, expires_at from booking.claim
        where venue_id = $1 and show_id = any($3) and hold_id = any($2) and booking_id is null";
    EXPIRE_HOLDS = "with over as (
            update booking.hold set status = 'expired' where venue_id = $1 and id = any($2))
        delete from booking.claim
        where venue_id = $1 and show_id = any($3) and hold_id = any($2) and booking_id is null";
}

/// The call that does all of a hold, for `pg::Call`.
pub(crate) const AT_ONCE: &str = HOLD_AT_ONCE;

/// What a hold locks: its customer, where they are `limited`, then its seats.
pub(crate) fn locks_at_once(
    user: UserId,
    limited: bool,
    show: ShowId,
    labels: &[String],
) -> Vec<Lock> {
    let holders = limited.then(|| user.to_string()).into_iter().collect();
    let seats = labels.iter().map(|label| format!("{show} {label}")).collect();
    vec![Lock { sql: LOCK_HOLDERS, keys: holders }, Lock { sql: LOCK_HELD, keys: seats }]
}

/// A hold as its row says, locked.
#[derive(Clone, Debug)]
pub(crate) struct HeldRow {
    pub(crate) id: HoldId,
    pub(crate) show: ShowId,
    pub(crate) user: UserId,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) total: i64,
    pub(crate) status: HoldStatus,
    pub(crate) expires_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    /// What it stands and falls with.
    pub(crate) bundle: Option<BundleId>,
}

/// What was found under the locks of a hold and its seats.
pub(crate) struct LockedHold {
    pub(crate) hold: HeldRow,
    pub(crate) show: Show,
    pub(crate) seats: Vec<Seat>,
    pub(crate) claims: Vec<Claim>,
}

pub(crate) fn held(row: &Row) -> Result<HeldRow, DbError> {
    Ok(HeldRow {
        id: row.col("id")?,
        show: row.col("show_id")?,
        user: row.col("user_id")?,
        token_hash: row.col("token_hash")?,
        total: row.col("total")?,
        status: HoldStatus::from_name(row.col("status")?).unwrap_or(HoldStatus::Expired),
        expires_at: row.col("expires_at")?,
        ends_at: row.col("ends_at")?,
        bundle: row.col("bundle_id")?,
    })
}

/// Locks the hold, then its seats, then looks at the claims that it still has. One packet.
pub(crate) async fn lock_hold(tx: &mut Tx, id: HoldId) -> Result<Option<LockedHold>, DbError> {
    let venue = tx.venue()?;
    let [holds, rows, claims, found] = tx
        .pipeline([
            Query::new(LOCK_HOLD, &[&venue, &id]),
            Query::new(LOCK_SEATS_OF_HOLD, &[&venue, &id]),
            Query::new(CLAIMS_OF_HOLD, &[&venue, &id]),
            Query::new(SHOW_OF_HOLD, &[&venue, &id]),
        ])
        .await?;
    let (Some(hold), Some(show)) = (holds.first(), found.first()) else { return Ok(None) };
    Ok(Some(LockedHold {
        hold: held(hold)?,
        show: shows::show(show)?,
        seats: rows.iter().map(seats::seat).collect::<Result<_, _>>()?,
        claims: claims.iter().map(seats::claim).collect::<Result<_, _>>()?,
    }))
}

/// What a new hold is.
pub(crate) struct NewHold {
    pub(crate) id: HoldId,
    pub(crate) show: ShowId,
    pub(crate) user: UserId,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) seats: Vec<i32>,
    pub(crate) total: i64,
    pub(crate) expires_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) bundle: Option<BundleId>,
}

pub(crate) fn insert_hold(tx: &mut Tx, new: NewHold) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.show,
        new.user,
        new.token_hash,
        new.seats,
        new.total,
        new.expires_at,
        new.ends_at,
        tx.now(),
        new.bundle,
    ];
    tx.change(INSERT_HOLD, row);
    Ok(())
}

pub(crate) fn end_hold(tx: &mut Tx, hold: HoldId, status: HoldStatus) -> Result<(), DbError> {
    let row = params![tx.venue()?, hold, status.as_str()];
    tx.change(END_HOLD, row);
    Ok(())
}

pub(crate) fn extend_hold(tx: &mut Tx, hold: &HeldRow, until: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, hold.id, until, hold.show];
    tx.change(EXTEND_HOLD, row);
    Ok(())
}

/// Venues that have holds past their time.
pub(crate) async fn venues_with_due_holds(
    q: &mut Reader,
    offset_micros: i64,
    limit: i64,
) -> Result<Vec<VenueId>, DbError> {
    let rows = q.query(VENUES_WITH_DUE_HOLDS, &[&offset_micros, &limit]).await?;
    rows.iter().map(|row| row.col("venue_id")).collect()
}

/// A seat that an expired hold had.
pub(crate) struct DueSeat {
    pub(crate) show: ShowId,
    pub(crate) seat: Seat,
}

/// Locks holds of this venue that are past their time, at most `limit`, then their seats, and
/// gives the seats that they still claim. A seat that somebody has taken since is theirs.
pub(crate) async fn lock_due_holds(
    tx: &mut Tx,
    limit: i64,
) -> Result<(Vec<HoldId>, Vec<ShowId>, Vec<DueSeat>), DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let due = tx.query(LOCK_DUE_HOLDS, &[&venue, &offset, &limit]).await?;
    let ids: Vec<HoldId> = due.iter().map(|row| row.col("id")).collect::<Result<_, _>>()?;
    let mut show_ids: Vec<ShowId> =
        due.iter().map(|row| row.col("show_id")).collect::<Result<_, _>>()?;
    show_ids.sort_unstable();
    show_ids.dedup();
    let [rows, claims] = tx
        .pipeline([
            Query::new(LOCK_SEATS_OF_HOLDS, &[&venue, &ids]),
            Query::new(CLAIMS_OF_HOLDS, &[&venue, &ids, &show_ids]),
        ])
        .await?;
    let still: Vec<(ShowId, i32)> = claims
        .iter()
        .map(|row| Ok((row.col("show_id")?, row.col("seat")?)))
        .collect::<Result<_, DbError>>()?;
    let mut seats = Vec::with_capacity(still.len());
    for row in &rows {
        let due = DueSeat { show: row.col("show_id")?, seat: seats::seat(row)? };
        if still.contains(&(due.show, due.seat.number)) {
            seats.push(due);
        }
    }
    Ok((ids, show_ids, seats))
}

pub(crate) fn expire_holds(
    tx: &mut Tx,
    holds: Vec<HoldId>,
    shows: Vec<ShowId>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, holds, shows];
    tx.change(EXPIRE_HOLDS, row);
    Ok(())
}
