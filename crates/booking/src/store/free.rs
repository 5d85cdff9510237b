//! Which seats are free, best first, and the locks on those that were chosen.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Row, ToSql, Tx};

use crate::access::{Access, role};
use crate::choice::{FreeSeat, Run};
use crate::model::{Claim, Seat, Show};
use crate::store::{seats, shows};

pg::statements! {
    // The customer, so that two holds at once count right; then the show's queue of those who were
    // skipped again and again. Nobody who has a seat waits for either.
    LOCK_CUSTOMER_AND_QUEUE = "select
        case when $2 then pg_advisory_xact_lock(hashtextextended($1::uuid::text, 7)) end,
        case when $4 then pg_advisory_xact_lock(hashtextextended($3::uuid::text, 8)) end";
    // Only looks. PostgreSQL reads and sorts all free seats of the show (4 ms for 8,000) and its
    // claims, once (`not in` is one hash of them; `not exists` would be a probe of the index per
    // seat): once in two seconds for each size of party, and where the statement below finds nothing.
    FIND_RUNS = "select r.seats, r.block_rank, r.place, r.off_focus, r.accessible,
            case when r.loose then (r.free_in_block = $4::int + 2)::int
                 else (r.before is not distinct from r.place - 1
                       and r.before_that is distinct from r.place - 2)::int
                    + (r.after is not distinct from r.last + 1
                       and r.after_that is distinct from r.last + 2)::int
            end as singles
        from (
            select f.block_rank, f.place, f.loose, array_agg(f.seat) over run as seats,
                   sum(f.off_focus) over run as off_focus,
                   count(*) filter (where f.accessible) over run as accessible,
                   count(*) over (partition by f.block_rank) as free_in_block,
                   lead(f.place, $4::int) over block as last,
                   lag(f.place) over block as before, lag(f.place, 2) over block as before_that,
                   lead(f.place, $4::int + 1) over block as after,
                   lead(f.place, $4::int + 2) over block as after_that
            from (
                select s.seat, s.block_rank, s.place, s.loose, s.accessible, s.off_focus
                from booking.seat s
                where s.venue_id = $1 and s.show_id = $2 and s.whole is null
                  and ($5::text is null or s.category = $5) and ($6::text is null or s.block = $6)
                  and not (s.withheld and (s.withheld_until is null or s.withheld_until
                           > clock_timestamp() + $3::bigint * interval '1 microsecond'))
                  and (s.allocation is null or exists (
                       select from booking.allocation a
                       where (a.venue_id, a.show_id, a.name) = (s.venue_id, s.show_id, s.allocation)
                         and (a.code_hash = $8 or $9::text = any(a.roles))))
                  and s.seat not in (
                       select c.seat from booking.claim c
                       where c.venue_id = $1 and c.show_id = $2
                         and (c.expires_at is null or c.expires_at
                              > clock_timestamp() + $3::bigint * interval '1 microsecond'))
            ) f
            window block as (partition by f.block_rank order by f.place),
                   run as (block rows between current row and $4::int following)
        ) r
        where r.last is not null and (r.loose or r.last = r.place + $4::int)
          and r.accessible >= $7
        order by r.block_rank, r.place limit 128";
    // The same in the eight blocks from one on, in front of which there was nothing a moment ago: it
    // probes the claims of their seats alone, however large the show is. Without the second bound
    // PostgreSQL read and sorted all that is behind. Where nothing is found, all blocks are looked at.
    FIND_RUNS_FROM = "select r.seats, r.block_rank, r.place, r.off_focus, r.accessible,
            case when r.loose then (r.free_in_block = $4::int + 2)::int
                 else (r.before is not distinct from r.place - 1
                       and r.before_that is distinct from r.place - 2)::int
                    + (r.after is not distinct from r.last + 1
                       and r.after_that is distinct from r.last + 2)::int
            end as singles
        from (
            select f.block_rank, f.place, f.loose, array_agg(f.seat) over run as seats,
                   sum(f.off_focus) over run as off_focus,
                   count(*) filter (where f.accessible) over run as accessible,
                   count(*) over (partition by f.block_rank) as free_in_block,
                   lead(f.place, $4::int) over block as last,
                   lag(f.place) over block as before, lag(f.place, 2) over block as before_that,
                   lead(f.place, $4::int + 1) over block as after,
                   lead(f.place, $4::int + 2) over block as after_that
            from (
                select s.seat, s.block_rank, s.place, s.loose, s.accessible, s.off_focus
                from booking.seat s
                where s.venue_id = $1 and s.show_id = $2 and s.whole is null
                  and ($5::text is null or s.category = $5) and ($6::text is null or s.block = $6)
                  and not (s.withheld and (s.withheld_until is null or s.withheld_until
                           > clock_timestamp() + $3::bigint * interval '1 microsecond'))
                  and (s.allocation is null or exists (
                       select from booking.allocation a
                       where (a.venue_id, a.show_id, a.name) = (s.venue_id, s.show_id, s.allocation)
                         and (a.code_hash = $8 or $9::text = any(a.roles))))
                  and s.block_rank >= $10 and s.block_rank < $10::int::bigint + 8
                  and not exists (
                       select from booking.claim c
                       where (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
                         and (c.expires_at is null or c.expires_at
                              > clock_timestamp() + $3::bigint * interval '1 microsecond'))
            ) f
            window block as (partition by f.block_rank order by f.place),
                   run as (block rows between current row and $4::int following)
        ) r
        where r.last is not null and (r.loose or r.last = r.place + $4::int)
          and r.accessible >= $7
        order by r.block_rank, r.place limit 128";
    // Only when no block has so many together.
    FIND_FREE = "select s.seat, s.block_rank, s.place, s.loose, s.accessible
        from booking.seat s
        where s.venue_id = $1 and s.show_id = $2 and s.whole is null
          and ($4::text is null or s.category = $4) and ($5::text is null or s.block = $5)
          and not (s.withheld and (s.withheld_until is null or s.withheld_until
                   > clock_timestamp() + $3::bigint * interval '1 microsecond'))
          and (s.allocation is null or exists (
               select from booking.allocation a
               where (a.venue_id, a.show_id, a.name) = (s.venue_id, s.show_id, s.allocation)
                 and (a.code_hash = $7 or $8::text = any(a.roles))))
          and s.seat not in (
               select c.seat from booking.claim c
               where c.venue_id = $1 and c.show_id = $2
                 and (c.expires_at is null or c.expires_at
                      > clock_timestamp() + $3::bigint * interval '1 microsecond'))
        order by ($6 and s.accessible) desc, s.block_rank, s.place limit 400";
    // What somebody has locked is left to them: the rule chooses other seats.
    LOCK_FREE_OR_SKIP = "select s.seat, s.label, s.block, s.category, s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.seat s
        where s.venue_id = $1 and s.show_id = $2 and s.seat = any($3) and s.whole is null
          and (s.allocation is null or exists (
               select from booking.allocation a
               where (a.venue_id, a.show_id, a.name) = (s.venue_id, s.show_id, s.allocation)
                 and (a.code_hash = $4 or $5::text = any(a.roles))))
        order by s.seat for update of s skip locked";
    // The same and waits, in seat order; by whoever has no lock on any seat yet.
    LOCK_FREE = "select s.seat, s.label, s.block, s.category, s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.seat s
        where s.venue_id = $1 and s.show_id = $2 and s.seat = any($3) and s.whole is null
          and (s.allocation is null or exists (
               select from booking.allocation a
               where (a.venue_id, a.show_id, a.name) = (s.venue_id, s.show_id, s.allocation)
                 and (a.code_hash = $4 or $5::text = any(a.roles))))
        order by s.seat for update of s";
    CLAIMS_OF_NUMBERS = "select seat, hold_id, booking_id, expires_at from booking.claim
        where venue_id = $1 and show_id = $2 and seat = any($3)";
    LOCK_BLOCKS = "select seat, label, block, category, price, withheld, withheld_until, allocation,
            whole
        from booking.seat where venue_id = $1 and show_id = $2 and block = any($3)
        order by seat for update";
    CLAIMS_OF_BLOCKS = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.seat s join booking.claim c using (venue_id, show_id, seat)
        where s.venue_id = $1 and s.show_id = $2 and s.block = any($3)";
    FIND_OPEN = "select name from booking.allocation
        where venue_id = $1 and show_id = $2 and (code_hash = $3 or $4::text = any(roles))";
    FIND_BLOCK = "select whole from booking.seat
        where venue_id = $1 and show_id = $2 and block = $3 limit 1";
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) show: ShowId,
    pub(crate) quantity: i32,
    pub(crate) category: Option<String>,
    pub(crate) block: Option<String>,
    /// So many of them a wheelchair must reach.
    pub(crate) accessible: i32,
    pub(crate) access: Access,
    /// The holder is a customer, whose live holds are counted.
    pub(crate) limited: bool,
    /// No hint of a moment ago may decide where to look.
    pub(crate) exact: bool,
}

/// Whether to stand in the show's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Skip,
    Stand,
}

/// What was seen, without a lock on any seat.
pub(crate) struct Seen {
    pub(crate) show: Option<Show>,
    pub(crate) live_holds: i64,
    pub(crate) has_pass: Option<bool>,
    pub(crate) runs: Vec<Run>,
}

/// Seats that were chosen, locked; those that somebody else has locked are left out.
pub(crate) struct Chosen {
    pub(crate) seats: Vec<Seat>,
    pub(crate) claims: Vec<Claim>,
}

fn run(row: &Row) -> Result<Run, DbError> {
    Ok(Run {
        seats: row.col("seats")?,
        block_rank: row.col("block_rank")?,
        place: row.col("place")?,
        off_focus: row.col("off_focus")?,
        accessible: row.col("accessible")?,
        singles: row.col("singles")?,
    })
}

fn free_seat(row: &Row) -> Result<FreeSeat, DbError> {
    Ok(FreeSeat {
        seat: row.col("seat")?,
        block_rank: row.col("block_rank")?,
        place: row.col("place")?,
        loose: row.col("loose")?,
        accessible: row.col("accessible")?,
    })
}

/// Locks the customer where they are limited, stands in the queue where told, then looks for runs
/// of seats that fit and at the show. One packet.
///
/// `from`: the block rank to begin at.
pub(crate) async fn find_runs(
    tx: &mut Tx,
    wanted: &Wanted,
    queue: Queue,
    from: Option<i32>,
) -> Result<Seen, DbError> {
    let (venue, user) = (tx.venue()?, tx.scope().actor());
    let (offset, more) = (tx.clock_offset_micros(), wanted.quantity - 1);
    let (code, role) = (wanted.access.code_hash(), wanted.access.role_to_look());
    let (show, stand, accessible) =
        (wanted.show, queue == Queue::Stand, i64::from(wanted.accessible));
    let rank = from.unwrap_or(0);
    let fit: [&(dyn ToSql + Sync); 10] = [
        &venue,
        &show,
        &offset,
        &more,
        &wanted.category,
        &wanted.block,
        &accessible,
        &code,
        &role,
        &rank,
    ];
    let all = fit.get(..9).unwrap_or(&fit);
    let look =
        if from.is_some() { Query::new(FIND_RUNS_FROM, &fit) } else { Query::new(FIND_RUNS, all) };
    let [_, runs, found] = tx
        .pipeline([
            Query::new(LOCK_CUSTOMER_AND_QUEUE, &[&user, &wanted.limited, &show, &stand]),
            look,
            Query::new(seats::SHOW_AND_HOLDS, &[&venue, &show, &user, &offset, &wanted.limited]),
        ])
        .await?;
    let live = found.first().map(|row| row.col("live_holds")).transpose()?;
    Ok(Seen {
        has_pass: found.first().map(|row| row.col("has_pass")).transpose()?.flatten(),
        show: found.first().map(shows::show).transpose()?,
        live_holds: live.unwrap_or(0),
        runs: runs.iter().map(run).collect::<Result<_, _>>()?,
    })
}

/// Free seats, wherever they are.
pub(crate) async fn find_free(tx: &mut Tx, wanted: &Wanted) -> Result<Vec<FreeSeat>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let (code, role) = (wanted.access.code_hash(), wanted.access.role_to_look());
    let reached = wanted.accessible > 0;
    let rows = tx
        .query(
            FIND_FREE,
            &[
                &venue,
                &wanted.show,
                &offset,
                &wanted.category,
                &wanted.block,
                &reached,
                &code,
                &role,
            ],
        )
        .await?;
    rows.iter().map(free_seat).collect()
}

/// Locks the seats with these numbers and looks at who has them. One packet.
pub(crate) async fn lock_chosen(
    tx: &mut Tx,
    wanted: &Wanted,
    numbers: &[i32],
    queue: Queue,
) -> Result<Chosen, DbError> {
    let venue = tx.venue()?;
    let (code, role) = (wanted.access.code_hash(), role(tx.standing()));
    let lock = if queue == Queue::Stand { LOCK_FREE } else { LOCK_FREE_OR_SKIP };
    let [rows, claims] = tx
        .pipeline([
            Query::new(lock, &[&venue, &wanted.show, &numbers, &code, &role]),
            Query::new(CLAIMS_OF_NUMBERS, &[&venue, &wanted.show, &numbers]),
        ])
        .await?;
    Ok(Chosen {
        seats: rows.iter().map(seats::seat).collect::<Result<_, _>>()?,
        claims: claims.iter().map(seats::claim).collect::<Result<_, _>>()?,
    })
}

/// Locks all seats of the blocks, in seat order, then looks at who has them and at the show.
pub(crate) async fn lock_blocks(
    tx: &mut Tx,
    show: ShowId,
    blocks: &[String],
    limited: bool,
) -> Result<seats::Locked, DbError> {
    let (venue, user) = (tx.venue()?, tx.scope().actor());
    let (offset, stand) = (tx.clock_offset_micros(), false);
    let [_, rows, claims, found] = tx
        .pipeline([
            Query::new(LOCK_CUSTOMER_AND_QUEUE, &[&user, &limited, &show, &stand]),
            Query::new(LOCK_BLOCKS, &[&venue, &show, &blocks]),
            Query::new(CLAIMS_OF_BLOCKS, &[&venue, &show, &blocks]),
            Query::new(seats::SHOW_AND_HOLDS, &[&venue, &show, &user, &offset, &limited]),
        ])
        .await?;
    seats::locked(&rows, &claims, &found)
}

/// Whether the show has a block of that name, and whether it is sold as one.
pub(crate) async fn find_block(
    tx: &mut Tx,
    show: ShowId,
    block: &str,
) -> Result<Option<bool>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(FIND_BLOCK, &[&venue, &show, &block]).await?;
    rows.first().map(|row| row.col::<Option<i32>>("whole").map(|whole| whole.is_some())).transpose()
}

/// The shares of the show that the caller may sell.
pub(crate) async fn find_open(
    tx: &mut Tx,
    show: ShowId,
    access: &Access,
) -> Result<Vec<String>, DbError> {
    let (venue, code, role) = (tx.venue()?, access.code_hash(), role(tx.standing()));
    let rows = tx.query(FIND_OPEN, &[&venue, &show, &code, &role]).await?;
    rows.iter().map(|row| row.col("name")).collect()
}
