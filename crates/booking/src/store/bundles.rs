//! Holds of several shows at once.

use kernel::ids::{BundleId, ShowId};
use pg::{Columns, DbError, Query, Row, Tx};

use crate::model::{Claim, Seat, Show};
use crate::store::holds::{LockedHold, held};
use crate::store::{seats, shows};

pg::statements! {
    // As for one show: two holds of one customer at the same moment would both count one.
    LOCK_CUSTOMER_OF_BUNDLE = "select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 7))";
    // In the order of the shows, and in each in seat order: one order for all shows together, so
    // bundles that cross each other wait in a line and not in a circle.
    LOCK_SEATS_OF_SHOWS = "select s.show_id, s.seat, s.label, s.block, s.category, s.price,
            s.withheld, s.withheld_until, s.allocation, s.whole
        from unnest($2::uuid[], $3::text[]) as w(show_id, label)
        join booking.seat s on s.venue_id = $1 and s.show_id = w.show_id and s.label = w.label
        order by s.show_id, s.seat for update of s";
    CLAIMS_OF_SHOWS = "select s.show_id, c.seat, c.hold_id, c.booking_id, c.expires_at
        from unnest($2::uuid[], $3::text[]) as w(show_id, label)
        join booking.seat s on s.venue_id = $1 and s.show_id = w.show_id and s.label = w.label
        join booking.claim c on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)";
    SHOWS = "select s.id, s.name, s.description, s.starts_at, s.status, s.hold_secs,
            s.currency::text, s.seat_count, s.tickets, s.payment, s.pay_secs, s.version,
            exists (select from booking.line l
                where l.venue_id = s.venue_id and l.show_id = s.id and l.open) as has_line
        from booking.show s where s.venue_id = $1 and s.id = any($2) order by s.id";
    LIVE_HOLDS = "select distinct coalesce(bundle_id, id) as hold from booking.hold
        where $4 and venue_id = $1 and user_id = $2 and status not in ('released', 'expired', 'booked')
          and expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond'
        union
        select id from booking.booking
        where $4 and venue_id = $1 and user_id = $2 and status = 'pending'
          and pay_by > clock_timestamp() + $3::bigint * interval '1 microsecond'";
    // The holds of one bundle in the order of their ids: all that use it queue at the first.
    LOCK_BUNDLE = "select id, show_id, user_id, token_hash, seats, total, status, expires_at,
            ends_at, bundle_id
        from booking.hold where venue_id = $1 and bundle_id = $2 order by id for update";
    LOCK_SEATS_OF_BUNDLE = "select h.id as hold, s.show_id, s.seat, s.label, s.block, s.category,
            s.price, s.withheld, s.withheld_until, s.allocation, s.whole
        from booking.hold h join booking.seat s
            on s.venue_id = h.venue_id and s.show_id = h.show_id and s.seat = any(h.seats)
        where h.venue_id = $1 and h.bundle_id = $2 order by s.show_id, s.seat for update of s";
    CLAIMS_OF_BUNDLE = "select c.show_id, c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.hold h join booking.claim c
            on c.venue_id = h.venue_id and c.show_id = h.show_id and c.hold_id = h.id
        where h.venue_id = $1 and h.bundle_id = $2";
    SHOWS_OF_BUNDLE = "select s.id, s.name, s.description, s.starts_at, s.status, s.hold_secs,
            s.currency::text, s.seat_count, s.tickets, s.payment, s.pay_secs, s.version
        from booking.hold h join booking.show s on s.venue_id = h.venue_id and s.id = h.show_id
        where h.venue_id = $1 and h.bundle_id = $2";
}

/// A show and what was found under the locks of some of its seats.
pub(crate) struct LockedShow {
    pub(crate) show: Show,
    pub(crate) seats: Vec<Seat>,
    pub(crate) claims: Vec<Claim>,
    /// Customers need a pass.
    pub(crate) has_line: bool,
}

/// Some seats of several shows, locked.
pub(crate) struct LockedShows {
    /// In the order of their ids.
    pub(crate) shows: Vec<LockedShow>,
    pub(crate) live_holds: i64,
}

/// The rows of one show.
fn of_show<T>(
    rows: &[Row],
    show: ShowId,
    read: fn(&Row) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    let mut found = Vec::new();
    for row in rows {
        if row.col::<ShowId>("show_id")? == show {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// Locks seats of several shows, then looks at who has them. One packet.
pub(crate) async fn lock_shows(
    tx: &mut Tx,
    wanted: &[(ShowId, &[String])],
    limited: bool,
) -> Result<LockedShows, DbError> {
    let (venue, user) = (tx.venue()?, tx.scope().actor());
    let offset = tx.clock_offset_micros();
    let ids: Vec<ShowId> = wanted.iter().map(|(show, _)| *show).collect();
    let each = wanted.iter().flat_map(|(show, labels)| labels.iter().map(|label| (*show, label)));
    let (of, labels): (Vec<ShowId>, Vec<&String>) = each.unzip();
    if limited {
        tx.query(LOCK_CUSTOMER_OF_BUNDLE, &[&user]).await?;
    }
    let [rows, claims, found, live] = tx
        .pipeline([
            Query::new(LOCK_SEATS_OF_SHOWS, &[&venue, &of, &labels]),
            Query::new(CLAIMS_OF_SHOWS, &[&venue, &of, &labels]),
            Query::new(SHOWS, &[&venue, &ids]),
            Query::new(LIVE_HOLDS, &[&venue, &user, &offset, &limited]),
        ])
        .await?;
    let mut all = Vec::with_capacity(found.len());
    for row in &found {
        let show = shows::show(row)?;
        all.push(LockedShow {
            seats: of_show(&rows, show.id, seats::seat)?,
            claims: of_show(&claims, show.id, seats::claim)?,
            has_line: row.col("has_line")?,
            show,
        });
    }
    Ok(LockedShows { shows: all, live_holds: i64::try_from(live.len()).unwrap_or(i64::MAX) })
}

/// Locks the holds of a bundle, then their seats, then looks at the claims that they still have;
/// in the order of the holds' ids.
pub(crate) async fn lock_bundle(tx: &mut Tx, id: BundleId) -> Result<Vec<LockedHold>, DbError> {
    let venue = tx.venue()?;
    let [rows, places, claims, found] = tx
        .pipeline([
            Query::new(LOCK_BUNDLE, &[&venue, &id]),
            Query::new(LOCK_SEATS_OF_BUNDLE, &[&venue, &id]),
            Query::new(CLAIMS_OF_BUNDLE, &[&venue, &id]),
            Query::new(SHOWS_OF_BUNDLE, &[&venue, &id]),
        ])
        .await?;
    let mut parts = Vec::with_capacity(rows.len());
    for row in &rows {
        let hold = held(row)?;
        let mut show = None;
        for row in &found {
            let one = shows::show(row)?;
            show = show.or(Some(one).filter(|one| one.id == hold.show));
        }
        // Its seats and claims lead to the show: a hold without one cannot be.
        let Some(show) = show else { continue };
        parts.push(LockedHold {
            seats: of_show(&places, hold.show, seats::seat)?,
            claims: of_show(&claims, hold.show, seats::claim)?,
            show,
            hold,
        });
    }
    Ok(parts)
}
