//! The waiting lists.

use kernel::ids::{HoldId, ShowId, UserId, VenueId, WaitingId};
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::waiting::{Offer, Waiting, WaitingStatus};

pg::statements! {
    INSERT_WAITING = "insert into booking.waiting
            (venue_id, id, show_id, user_id, quantity, category, email, status, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8)";
    // The entry first, then its hold, then the seats.
    LOCK_WAITING = "select w.id, w.show_id, w.user_id, w.quantity, w.category, w.email, w.status,
            w.hold_id, w.created_at, w.version, null::int[] as seats,
            null::timestamptz as expires_at, null::text as hold_status, null::text[] as labels
        from booking.waiting w where w.venue_id = $1 and w.id = $2 for update";
    // One worker at a time offers seats of a show; the others need not wait for it.
    TRY_OFFERING = "select pg_try_advisory_xact_lock(hashtextextended($1::uuid::text, 9)) as mine";
    // What became of the offers.
    SETTLE_OFFERS = "update booking.waiting w
        set status = case h.status when 'booked' then 'taken' else 'passed' end,
            version = w.version + 1
        from booking.hold h
        where w.venue_id = $1 and w.show_id = $2 and w.status = 'offered'
          and h.venue_id = w.venue_id and h.id = w.hold_id
          and (h.status <> 'live'
               or h.expires_at <= clock_timestamp() + $3::bigint * interval '1 microsecond')";
    // The first come first; whoever is leaving just now is left out.
    LOCK_PARTIES = "select w.id, w.show_id, w.user_id, w.quantity, w.category, w.email, w.status,
            w.hold_id, w.created_at, w.version, null::int[] as seats,
            null::timestamptz as expires_at, null::text as hold_status, null::text[] as labels
        from booking.waiting w
        where w.venue_id = $1 and w.show_id = $2 and w.status = 'waiting'
        order by w.id limit 100 for update skip locked";
    SET_WAITING = "update booking.waiting set status = $3, hold_id = $4, version = $5
        where venue_id = $1 and id = $2";
    SET_TOKEN = "update booking.hold set token_hash = $3 where venue_id = $1 and id = $2";
    SHOWS_TO_OFFER = "select distinct w.venue_id, w.show_id
        from booking.waiting w
        join booking.show s on s.venue_id = w.venue_id and s.id = w.show_id
        left join booking.hold h on h.venue_id = w.venue_id and h.id = w.hold_id
        where (w.status = 'waiting' and s.status = 'on_sale')
           or (w.status = 'offered' and (h.status <> 'live' or h.expires_at
               <= clock_timestamp() + $1::bigint * interval '1 microsecond'))
        limit 200";
    LIST_WAITING = "select w.id, w.show_id, w.user_id, w.quantity, w.category, w.email, w.status,
            w.hold_id, w.created_at, w.version, h.seats, h.expires_at, h.status as hold_status,
            (select array_agg(s.label order by s.block_rank, s.place) from booking.seat s
             where s.venue_id = w.venue_id and s.show_id = w.show_id and s.seat = any(h.seats))
                as labels
        from booking.waiting w
        left join booking.hold h on h.venue_id = w.venue_id and h.id = w.hold_id
        where w.venue_id = $1 and w.show_id = $2 and w.id > $3
          and w.status in ('waiting', 'offered')
        order by w.id limit $4";
    // Seats are named to the staff of their venue; one's own list spans venues, and the hold that
    // one accepts names them.
    LIST_WAITING_OF_USER = "select w.id, w.show_id, w.user_id, w.quantity, w.category, w.email,
            w.status, w.hold_id, w.created_at, w.version, h.seats, h.expires_at,
            h.status as hold_status, null::text[] as labels
        from booking.waiting w
        left join booking.hold h on h.venue_id = w.venue_id and h.id = w.hold_id
        where w.user_id = $1 and w.id > $2
        order by w.id limit $3";
}

/// An entry, whose it is, and where a mail goes.
pub(crate) struct Party {
    pub(crate) waiting: Waiting,
    pub(crate) user: UserId,
    pub(crate) hold: Option<HoldId>,
    pub(crate) email: Option<String>,
}

fn party(row: &Row) -> Result<Party, DbError> {
    let status = WaitingStatus::from_name(row.col("status")?).unwrap_or(WaitingStatus::Left);
    let hold: Option<HoldId> = row.col("hold_id")?;
    let offered = hold.filter(|_| status == WaitingStatus::Offered);
    let live = row.col::<Option<&str>>("hold_status")?.is_none_or(|status| status == "live");
    let offer = match (offered, row.col("expires_at")?) {
        (Some(hold), Some(expires_at)) if live => Some(Offer {
            hold,
            seats: row.col::<Option<Vec<String>>>("labels")?.unwrap_or_default(),
            expires_at,
        }),
        _ => None,
    };
    Ok(Party {
        waiting: Waiting {
            id: row.col("id")?,
            show_id: row.col("show_id")?,
            quantity: row.col("quantity")?,
            category: row.col("category")?,
            status,
            offer,
            created_at: row.col("created_at")?,
            version: row.col("version")?,
        },
        user: row.col("user_id")?,
        hold,
        email: row.col("email")?,
    })
}

pub(crate) fn insert(
    tx: &mut Tx,
    waiting: &Waiting,
    user: UserId,
    email: Option<String>,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        waiting.id,
        waiting.show_id,
        user,
        waiting.quantity,
        waiting.category.clone(),
        email,
        waiting.created_at,
    ];
    tx.change(INSERT_WAITING, row);
    Ok(())
}

pub(crate) async fn lock(tx: &mut Tx, id: WaitingId) -> Result<Option<Party>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_WAITING, &[&venue, &id]).await?.first().map(party).transpose()
}

/// Becomes the one that offers seats of the show, settles what became of its offers, and locks
/// the parties that wait, first come first; nothing when another worker is at it. Two packets.
pub(crate) async fn lock_parties(tx: &mut Tx, show: ShowId) -> Result<Option<Vec<Party>>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let mine = tx.query(TRY_OFFERING, &[&show]).await?;
    if !mine.first().map(|row| row.col("mine")).transpose()?.unwrap_or(false) {
        return Ok(None);
    }
    let [_, parties] = tx
        .pipeline([
            Query::new(SETTLE_OFFERS, &[&venue, &show, &offset]),
            Query::new(LOCK_PARTIES, &[&venue, &show]),
        ])
        .await?;
    parties.iter().map(party).collect::<Result<_, _>>().map(Some)
}

pub(crate) fn set(tx: &mut Tx, waiting: &Waiting, hold: Option<HoldId>) -> Result<(), DbError> {
    let row = params![tx.venue()?, waiting.id, waiting.status.as_str(), hold, waiting.version];
    tx.change(SET_WAITING, row);
    Ok(())
}

pub(crate) fn set_token(tx: &mut Tx, hold: HoldId, hash: Vec<u8>) -> Result<(), DbError> {
    let row = params![tx.venue()?, hold, hash];
    tx.change(SET_TOKEN, row);
    Ok(())
}

/// Shows that somebody waits for, or whose offers are over.
pub(crate) async fn shows_to_offer(
    q: &mut Reader,
    offset_micros: i64,
) -> Result<Vec<(VenueId, ShowId)>, DbError> {
    let rows = q.query(SHOWS_TO_OFFER, &[&offset_micros]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("show_id")?))).collect()
}

pub(crate) async fn list(
    q: &mut Reader,
    show: ShowId,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Waiting>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    let rows = q.query(LIST_WAITING, &[&venue, &show, &after, &limit]).await?;
    rows.iter().map(|row| party(row).map(|party| party.waiting)).collect()
}

pub(crate) async fn list_of_user(
    q: &mut Reader,
    user: UserId,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Waiting>, DbError> {
    let limit = limit + 1;
    let rows = q.query(LIST_WAITING_OF_USER, &[&user, &after, &limit]).await?;
    rows.iter().map(|row| party(row).map(|party| party.waiting)).collect()
}
