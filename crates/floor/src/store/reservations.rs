//! Reservations and their promises.

use jiff::Timestamp;
use kernel::ids::{ReservationId, TableId, UserId, VenueId};
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::my_reservations::MyReservation;
use crate::reservation::{Reservation, ReservationStatus};

pg::statements! {
    FIND_RESERVATION = "select id, guest_name, party_size, phone, notes, starts_at, ends_at, status,
            table_ids, guest_id, exceeds_pacing, expires_at, why, version, user_id, token_hash
        from floor.reservation where venue_id = $1 and id = $2";
    LIST_RESERVATIONS = "select id, guest_name, party_size, phone, notes, starts_at, ends_at, status,
            table_ids, guest_id, exceeds_pacing, expires_at, why, version, user_id, token_hash
        from floor.reservation
        where venue_id = $1 and id > $2
          and ($4::timestamptz is null or starts_at >= $4)
          and ($5::timestamptz is null or starts_at < $5)
          and ($6::text is null or status = $6)
          and ($7::uuid is null or $7 = any(table_ids))
        order by id limit $3";
    // One's own in all venues: the policy `own` shows them.
    LIST_RESERVATIONS_OF_USER = "select venue_id, id, guest_name, party_size, phone, notes,
            starts_at, ends_at, status, table_ids, guest_id, exceeds_pacing, expires_at, why,
            version, user_id, token_hash
        from floor.reservation where user_id = $1 and id > $2 order by id limit $3";
    LIST_LIVE_RESERVATIONS = "select id, guest_name, party_size, phone, notes, starts_at, ends_at,
            status, table_ids, guest_id, exceeds_pacing, expires_at, why, version, user_id,
            token_hash
        from floor.reservation
        where venue_id = $1 and status in ('held', 'booked', 'arrived')
          and ends_at > now() - interval '6 hours'
        order by starts_at, id limit $2";
    SAVE_RESERVATIONS = "insert into floor.reservation (venue_id, id, guest_name, party_size, phone,
            notes, starts_at, ends_at, status, table_ids, guest_id, exceeds_pacing, expires_at, why,
            version)
        select $1, r.id, r.\"guestName\", r.\"partySize\", r.phone, r.notes, r.\"startsAt\",
            r.\"endsAt\", r.status, r.\"tableIds\", r.\"guestId\", r.\"exceedsPacing\",
            r.\"expiresAt\", r.why, r.version
        from jsonb_to_recordset($2::jsonb) as r(id uuid, \"guestName\" text, \"partySize\" int,
            phone text, notes text, \"startsAt\" timestamptz, \"endsAt\" timestamptz, status text,
            \"tableIds\" uuid[], \"guestId\" uuid, \"exceedsPacing\" boolean,
            \"expiresAt\" timestamptz, why text, version bigint)
        on conflict (venue_id, id) do update set guest_name = excluded.guest_name,
            party_size = excluded.party_size, phone = excluded.phone, notes = excluded.notes,
            starts_at = excluded.starts_at, ends_at = excluded.ends_at, status = excluded.status,
            table_ids = excluded.table_ids, guest_id = excluded.guest_id,
            exceeds_pacing = excluded.exceeds_pacing, expires_at = excluded.expires_at,
            why = excluded.why, version = excluded.version";
    SET_OWNER = "update floor.reservation set user_id = $3, token_hash = $4
        where venue_id = $1 and id = $2";
    DELETE_PROMISES = "delete from floor.promise where venue_id = $1 and reservation_id = any($2)";
    // Without `on conflict`: a table that is promised twice for one time is refused.
    INSERT_PROMISES = "insert into floor.promise (venue_id, reservation_id, table_id, during)
        select $1, p.reservation, p.dining_table, tstzrange(p.starts, p.ends)
        from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
            as p(reservation, dining_table, starts, ends)";
    VENUES_WITH_DUE_HOLDS = "select distinct venue_id from floor.reservation
        where status = 'held' and expires_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        limit $2";
    // Another worker may be sweeping the same venue: what it has taken is left to it.
    LOCK_DUE_HOLDS = "select id from floor.reservation
        where venue_id = $1 and status = 'held'
          and expires_at <= clock_timestamp() + $2::bigint * interval '1 microsecond'
        order by id limit $3 for update skip locked";
}

/// A reservation and who may use it.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) reservation: Reservation,
    pub(crate) user: Option<UserId>,
    pub(crate) token_hash: Option<String>,
}

pub(crate) fn owned(row: &Row) -> Result<Owned, DbError> {
    let status = ReservationStatus::from_name(row.col("status")?);
    let reservation = Reservation {
        id: row.col("id")?,
        guest_name: row.col("guest_name")?,
        party_size: row.col("party_size")?,
        phone: row.col("phone")?,
        notes: row.col("notes")?,
        starts_at: row.col("starts_at")?,
        ends_at: row.col("ends_at")?,
        status: status.unwrap_or(ReservationStatus::Cancelled),
        table_ids: row.col("table_ids")?,
        guest_id: row.col("guest_id")?,
        exceeds_pacing: row.col("exceeds_pacing")?,
        expires_at: row.col("expires_at")?,
        why: row.col("why")?,
        version: row.col("version")?,
    };
    Ok(Owned { reservation, user: row.col("user_id")?, token_hash: row.col("token_hash")? })
}

/// Which reservations to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) status: Option<ReservationStatus>,
    pub(crate) table: Option<TableId>,
}

pub(crate) async fn find_reservation(
    q: &mut Reader,
    id: ReservationId,
) -> Result<Option<Owned>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_RESERVATION, &[&venue, &id]).await?.first().map(owned).transpose()
}

pub(crate) async fn list_reservations(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    wanted: &Wanted,
) -> Result<Vec<Reservation>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    let status = wanted.status.map(ReservationStatus::as_str);
    let rows = q
        .query(
            LIST_RESERVATIONS,
            &[&venue, &after, &limit, &wanted.from, &wanted.to, &status, &wanted.table],
        )
        .await?;
    rows.iter().map(|row| owned(row).map(|found| found.reservation)).collect()
}

pub(crate) async fn list_reservations_of_user(
    q: &mut Reader,
    user: UserId,
    (after, limit): (Uuid, i64),
) -> Result<Vec<MyReservation>, DbError> {
    let limit = limit + 1;
    let rows = q.query(LIST_RESERVATIONS_OF_USER, &[&user, &after, &limit]).await?;
    let own = |row: &Row| {
        let reservation = owned(row)?.reservation;
        Ok(MyReservation { venue_id: row.col("venue_id")?, reservation })
    };
    rows.iter().map(own).collect()
}

/// The statement that reads the reservations that are awaited, for a pipeline of another store.
pub(crate) const LIVE: &str = LIST_LIVE_RESERVATIONS;

pub(crate) fn save_reservations(tx: &mut Tx, found: Vec<Reservation>) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(found)];
    tx.change(SAVE_RESERVATIONS, row);
    Ok(())
}

/// Whose a new reservation is, and the hash of its secret.
pub(crate) fn set_owner(
    tx: &mut Tx,
    id: ReservationId,
    user: Option<UserId>,
    token_hash: String,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, user, token_hash];
    tx.change(SET_OWNER, row);
    Ok(())
}

/// Takes back what was promised to `over`, and promises the tables of `live` for their times.
pub(crate) fn replace_promises(
    tx: &mut Tx,
    over: Vec<ReservationId>,
    live: &[Reservation],
) -> Result<(), DbError> {
    let venue = tx.venue()?;
    tx.change(DELETE_PROMISES, params![venue, over]);
    if live.is_empty() {
        return Ok(());
    }
    let each = || live.iter().flat_map(|it| it.table_ids.iter().map(move |table| (it, *table)));
    let row = params![
        venue,
        each().map(|(it, _)| it.id).collect::<Vec<_>>(),
        each().map(|(_, table)| table).collect::<Vec<_>>(),
        each().map(|(it, _)| it.starts_at).collect::<Vec<_>>(),
        each().map(|(it, _)| it.ends_at).collect::<Vec<_>>(),
    ];
    tx.change(INSERT_PROMISES, row);
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

/// Locks holds that are past their time.
pub(crate) async fn lock_due_holds(tx: &mut Tx, limit: i64) -> Result<Vec<ReservationId>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let rows = tx.query(LOCK_DUE_HOLDS, &[&venue, &offset, &limit]).await?;
    rows.iter().map(|row| row.col("id")).collect()
}
