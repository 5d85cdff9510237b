//! Figures of a day of service.

use jiff::Timestamp;
use pg::{Columns, DbError, Query, Reader};

use crate::dashboard::{Hour, SectionFigures, Totals};

pg::statements! {
    // `$2`: when the day of service began.
    TOTALS = "select
            count(*) filter (where seated_at >= $2) as parties,
            coalesce(sum(party_size) filter (where seated_at >= $2), 0) as covers,
            count(*) filter (where status in ('waiting', 'notified')) as waiting_parties,
            coalesce(sum(party_size) filter (where status in ('waiting', 'notified')), 0)
                as waiting_covers,
            coalesce(sum(party_size) filter (where status = 'seated'), 0) as seated_covers,
            count(*) filter (where status = 'no_show') as no_shows,
            count(*) filter (where status = 'cancelled') as cancelled,
            count(*) filter (where over_capacity and seated_at >= $2) as over_capacity,
            (avg(extract(epoch from seated_at - created_at)) filter (where seated_at >= $2) / 60)
                ::double precision as wait_minutes,
            (avg(extract(epoch from ended_at - seated_at)) filter (where status = 'completed') / 60)
                ::double precision as turn_minutes
        from floor.guest
        where venue_id = $1 and (created_at >= $2 or status in ('waiting', 'notified', 'seated'))";
    TABLES = "select count(*) as tables,
            count(*) filter (where status = 'occupied') as occupied,
            coalesce(sum(max_seats) filter (where status <> 'out_of_service'), 0) as seats
        from floor.table where venue_id = $1";
    RESERVATIONS = "select count(*) filter (where status in ('booked', 'arrived')) as awaited,
            count(*) filter (where exceeds_pacing) as exceeding
        from floor.reservation
        where venue_id = $1 and starts_at >= $2 and starts_at < $2::timestamptz + interval '1 day'";
    HOURS = "select date_trunc('hour', seated_at) as hour, coalesce(sum(party_size), 0) as covers,
            count(*) as parties
        from floor.guest where venue_id = $1 and seated_at >= $2 group by 1 order by 1";
    BY_SECTION = "select s.id, s.name, s.server, count(g.id) as parties,
            coalesce(sum(g.party_size), 0) as covers,
            coalesce(sum(g.party_size) filter (where g.status = 'seated'), 0) as seated_covers,
            max(g.seated_at) as last_seated
        from floor.section s
        left join floor.guest g
            on g.venue_id = s.venue_id and g.section_id = s.id and g.seated_at >= $2
        where s.venue_id = $1 group by s.id, s.name, s.server order by s.id";
}

/// What was found.
pub(crate) struct Figures {
    pub(crate) pos: String,
    pub(crate) totals: Totals,
    pub(crate) hours: Vec<Hour>,
    pub(crate) sections: Vec<SectionFigures>,
}

/// The figures of the day that began at `since`, as of one position of the log.
pub(crate) async fn find_figures(q: &mut Reader, since: Timestamp) -> Result<Figures, DbError> {
    let venue = q.venue()?;
    let [head, totals, tables, reservations, hours, sections] = q
        .pipeline([
            pg::log::head_query(&[&venue]),
            Query::new(TOTALS, &[&venue, &since]),
            Query::new(TABLES, &[&venue]),
            Query::new(RESERVATIONS, &[&venue, &since]),
            Query::new(HOURS, &[&venue, &since]),
            Query::new(BY_SECTION, &[&venue, &since]),
        ])
        .await?;
    let pos = head.first().map(pg::log::head_pos).transpose()?;
    let mut all = Totals::default();
    if let Some(row) = totals.first() {
        all.parties = row.col("parties")?;
        all.covers = row.col("covers")?;
        all.waiting_parties = row.col("waiting_parties")?;
        all.waiting_covers = row.col("waiting_covers")?;
        all.seated_covers = row.col("seated_covers")?;
        all.no_shows = row.col("no_shows")?;
        all.cancelled = row.col("cancelled")?;
        all.over_capacity = row.col("over_capacity")?;
        all.average_wait_minutes = row.col("wait_minutes")?;
        all.average_turn_minutes = row.col("turn_minutes")?;
    }
    if let Some(row) = tables.first() {
        all.tables = row.col("tables")?;
        all.occupied_tables = row.col("occupied")?;
        all.seats = row.col("seats")?;
    }
    if let Some(row) = reservations.first() {
        all.awaited_reservations = row.col("awaited")?;
        all.reservations_exceeding_pacing = row.col("exceeding")?;
    }
    let hour = |row: &pg::Row| {
        let (covers, parties) = (row.col("covers")?, row.col("parties")?);
        Ok::<_, DbError>(Hour { hour: row.col("hour")?, covers, parties })
    };
    let section = |row: &pg::Row| {
        Ok::<_, DbError>(SectionFigures {
            section_id: row.col("id")?,
            name: row.col("name")?,
            server: row.col("server")?,
            parties: row.col("parties")?,
            covers: row.col("covers")?,
            seated_covers: row.col("seated_covers")?,
            last_seated_at: row.col("last_seated")?,
            next: false,
        })
    };
    Ok(Figures {
        pos: pos.map(|pos| pos.to_string()).unwrap_or_default(),
        totals: all,
        hours: hours.iter().map(hour).collect::<Result<_, _>>()?,
        sections: sections.iter().map(section).collect::<Result<_, _>>()?,
    })
}
