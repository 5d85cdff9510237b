//! The chairs of tables, and the guests who have them.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::store::shows;
use crate::tables::{BookedChair, Chair, ChairOwner, Tables};

pg::statements! {
    // The chairs are the lock of their table, in seat order as everywhere: a hold, a party and a
    // swap of ten tables meet at the first of them.
    LOCK_CHAIRS = "select seat from booking.seat
        where venue_id = $1 and show_id = $2 and block = any($3) order by seat for update";
    // Stands behind the lock with a snapshot of its own.
    CHAIRS_OF_BLOCKS = "select s.seat, s.label, s.block, s.accessible, c.guest_id,
            c.seat is not null as claimed,
            s.allocation is not null
                or (s.withheld and (s.withheld_until is null or s.withheld_until
                    > clock_timestamp() + $4::bigint * interval '1 microsecond')) as kept
        from booking.seat s left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $4::bigint * interval '1 microsecond')
        where s.venue_id = $1 and s.show_id = $2 and s.block = any($3)
        order by s.block_rank, s.place";
    CHAIRS = "select s.seat, s.label, s.block, s.accessible, c.guest_id,
            c.seat is not null as claimed,
            s.allocation is not null
                or (s.withheld and (s.withheld_until is null or s.withheld_until
                    > clock_timestamp() + $3::bigint * interval '1 microsecond')) as kept
        from booking.seat s left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
        where s.venue_id = $1 and s.show_id = $2
        order by s.block_rank, s.place";
    BOOKED_CHAIRS = "select s.label, b.id, b.customer_name
        from booking.claim c
        join booking.booking b on b.venue_id = c.venue_id and b.id = c.booking_id
        join booking.seat s on (s.venue_id, s.show_id, s.seat) = (c.venue_id, c.show_id, c.seat)
        where c.venue_id = $1 and c.show_id = $2 and b.status = 'confirmed'
        order by s.block_rank, s.place";
    FREE_CHAIRS = "delete from booking.claim
        where venue_id = $1 and show_id = $2 and guest_id = any($3)";
    GIVE_CHAIRS = "insert into booking.claim (venue_id, show_id, seat, guest_id)
        select $1, $2, g.seat, g.guest from unnest($3::int[], $4::uuid[]) as g(seat, guest)";
}

fn chair(row: &Row) -> Result<Chair, DbError> {
    let guest: Option<Uuid> = row.col("guest_id")?;
    let owner = match guest {
        Some(guest) => ChairOwner::Guest(guest),
        None if row.col("claimed")? => ChairOwner::Booked,
        None if row.col("kept")? => ChairOwner::Kept,
        None => ChairOwner::Free,
    };
    Ok(Chair {
        number: row.col("seat")?,
        label: row.col("label")?,
        table: row.col("block")?,
        accessible: row.col("accessible")?,
        owner,
    })
}

fn tables(shows: &[Row], plans: &[Row], chairs: &[Row]) -> Result<Option<Tables>, DbError> {
    let (Some(show), Some(plan)) = (shows.first(), plans.first()) else { return Ok(None) };
    let chairs = chairs.iter().map(chair).collect::<Result<_, _>>()?;
    Ok(Some(Tables::new(shows::show(show)?, &shows::plan(plan)?, chairs)))
}

/// Locks the chairs of `names`, then looks at who has them. One packet.
pub(crate) async fn lock_chairs(
    tx: &mut Tx,
    show: ShowId,
    names: &[String],
) -> Result<Option<Tables>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let [_, chairs, found, plans] = tx
        .pipeline([
            Query::new(LOCK_CHAIRS, &[&venue, &show, &names]),
            Query::new(CHAIRS_OF_BLOCKS, &[&venue, &show, &names, &offset]),
            Query::new(shows::SHOW, &[&venue, &show]),
            Query::new(shows::PLAN, &[&venue, &show]),
        ])
        .await?;
    tables(&found, &plans, &chairs)
}

pub(crate) async fn look_at_chairs(tx: &mut Tx, show: ShowId) -> Result<Option<Tables>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let [chairs, found, plans] = tx
        .pipeline([
            Query::new(CHAIRS, &[&venue, &show, &offset]),
            Query::new(shows::SHOW, &[&venue, &show]),
            Query::new(shows::PLAN, &[&venue, &show]),
        ])
        .await?;
    tables(&found, &plans, &chairs)
}

pub(crate) async fn find_chairs(
    q: &mut Reader,
    show: ShowId,
    offset_micros: i64,
) -> Result<Option<Tables>, DbError> {
    let venue = q.venue()?;
    let [chairs, found, plans] = q
        .pipeline([
            Query::new(CHAIRS, &[&venue, &show, &offset_micros]),
            Query::new(shows::SHOW, &[&venue, &show]),
            Query::new(shows::PLAN, &[&venue, &show]),
        ])
        .await?;
    tables(&found, &plans, &chairs)
}

pub(crate) fn free_chairs(tx: &mut Tx, show: ShowId, guests: Vec<Uuid>) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, guests];
    tx.change(FREE_CHAIRS, row);
    Ok(())
}

pub(crate) fn give_chairs(
    tx: &mut Tx,
    show: ShowId,
    numbers: Vec<i32>,
    guests: Vec<Uuid>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, numbers, guests];
    tx.change(GIVE_CHAIRS, row);
    Ok(())
}

/// Chairs that confirmed bookings have.
pub(crate) async fn find_booked(q: &mut Reader, show: ShowId) -> Result<Vec<BookedChair>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(BOOKED_CHAIRS, &[&venue, &show]).await?;
    let chair = |row: &Row| {
        Ok(BookedChair {
            label: row.col("label")?,
            booking: row.col("id")?,
            customer: row.col("customer_name")?,
        })
    };
    rows.iter().map(chair).collect()
}
