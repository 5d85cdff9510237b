//! How a show sells.

use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Reader, Row};

use crate::figures::{Conflicts, HoldFigures, Occupancy, PartOccupancy, Sales, ShowFigures};

pg::statements! {
    // Each seat as the seat map has it, counted by category and by block at once.
    COUNT_SEATS = "with seen as (
            select s.category, s.block, s.block_rank,
                case when c.seat is not null and c.expires_at is null then 'sold'
                     when c.seat is not null then 'held'
                     when s.allocation is not null or (s.withheld and (s.withheld_until is null
                         or s.withheld_until > clock_timestamp()
                            + $3::bigint * interval '1 microsecond'))
                     then 'withheld' else 'free' end as status
            from booking.seat s left join booking.claim c
                on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
                and (c.expires_at is null
                     or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
            where s.venue_id = $1 and s.show_id = $2)
        select category, block, count(*) filter (where status = 'free') as free,
            count(*) filter (where status = 'held') as held,
            count(*) filter (where status = 'sold') as sold,
            count(*) filter (where status = 'withheld') as withheld
        from seen group by grouping sets ((category), (block, block_rank))
        order by block_rank, block, category";
    SALES = "select * from (
            select date_trunc($3, created_at, 'UTC') as begun, count(*) as bookings,
                sum(cardinality(seats))::bigint as seats, sum(total)::bigint as amount,
                count(*) filter (where status = 'cancelled') as cancelled
            from booking.booking
            where venue_id = $1 and show_id = $2 and status in ('confirmed', 'cancelled')
            group by 1 order by 1 desc limit $4) latest
        order by begun";
    // Ids begin with their time: no hold of a show is older than the show.
    COUNT_HOLDS = "select case when status = 'live' and expires_at <= clock_timestamp()
                + $3::bigint * interval '1 microsecond' then 'expired' else status end as fate,
            count(*) as holds
        from booking.hold where venue_id = $1 and id >= $2 and show_id = $2 group by 1";
    SHOW_EXISTS = "select 1 from booking.show where venue_id = $1 and id = $2";
}

/// Hours or days of sales that are told.
const SALES_MAX: i64 = 400;

fn occupancy(row: &Row) -> Result<Occupancy, DbError> {
    Ok(Occupancy {
        free: row.col("free")?,
        held: row.col("held")?,
        sold: row.col("sold")?,
        withheld: row.col("withheld")?,
    })
}

fn sales(row: &Row) -> Result<Sales, DbError> {
    let from: Timestamp = row.col("begun")?;
    Ok(Sales {
        from,
        bookings: row.col("bookings")?,
        seats: row.col("seats")?,
        amount: row.col("amount")?,
        cancelled: row.col("cancelled")?,
    })
}

/// All but the conflicts, on one snapshot. `step` is what PostgreSQL calls an hour or a day.
pub(crate) async fn find_figures(
    q: &mut Reader,
    show: ShowId,
    (step, offset_micros): (&str, i64),
) -> Result<Option<ShowFigures>, DbError> {
    let venue = q.venue()?;
    let [exists, counted, sold, held] = q
        .pipeline([
            Query::new(SHOW_EXISTS, &[&venue, &show]),
            Query::new(COUNT_SEATS, &[&venue, &show, &offset_micros]),
            Query::new(SALES, &[&venue, &show, &step, &SALES_MAX]),
            Query::new(COUNT_HOLDS, &[&venue, &show, &offset_micros]),
        ])
        .await?;
    if exists.is_empty() {
        return Ok(None);
    }
    let mut figures = ShowFigures {
        show_id: show,
        seats: Occupancy::default(),
        categories: Vec::new(),
        blocks: Vec::new(),
        sales: sold.iter().map(sales).collect::<Result<_, _>>()?,
        holds: HoldFigures::default(),
        conflicts: Conflicts::default(),
    };
    for row in &counted {
        let seats = occupancy(row)?;
        match (row.col::<Option<String>>("category")?, row.col::<Option<String>>("block")?) {
            (Some(name), _) => {
                figures.seats = sum(figures.seats, seats);
                figures.categories.push(PartOccupancy { name, seats });
            }
            (None, Some(name)) => figures.blocks.push(PartOccupancy { name, seats }),
            (None, None) => {}
        }
    }
    for row in &held {
        let (fate, count): (&str, i64) = (row.col("fate")?, row.col("holds")?);
        let holds = &mut figures.holds;
        match fate {
            "live" => holds.live = count,
            "booked" => holds.booked = count,
            "released" => holds.released = count,
            _ => holds.expired = count,
        }
    }
    Ok(Some(figures))
}

fn sum(a: Occupancy, b: Occupancy) -> Occupancy {
    Occupancy {
        free: a.free + b.free,
        held: a.held + b.held,
        sold: a.sold + b.sold,
        withheld: a.withheld + b.withheld,
    }
}
