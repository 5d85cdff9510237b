//! Figures of the doors.

use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Reader, Row, ToSql};

use crate::statistics::{
    Counts, DeviceFigures, DoorFigures, GateFigures, LINES_MAX, MINUTES_MAX, MinuteFigures,
    ReasonFigures, StaffFigures,
};

/// What is counted of scans.
macro_rules! counts {
    () => {
        "count(*) filter (where s.verdict = 'admit' and s.kind = 'entry' and s.counts) as entries,
            count(*) filter (where s.verdict = 'admit' and s.kind = 'exit' and s.counts) as exits,
            count(*) filter (where s.verdict = 'deny') as denied,
            count(*) filter (where s.verdict = 'ask') as asked,
            count(*) filter (where s.forced is not null) as forced,
            count(*) filter (where s.offline) as offline,
            count(*) filter (where s.conflict is not null) as conflicts"
    };
}

/// The scans of the show `$2` of the venue `$1` from `$3` until `$4`.
macro_rules! in_span {
    () => {
        " where s.venue_id = $1 and s.show_id = $2 and s.undone_at is null
          and ($3::timestamptz is null or s.scanned_at >= $3)
          and ($4::timestamptz is null or s.scanned_at < $4)"
    };
}

pg::statements! {
    TICKET_FIGURES = "select count(*) filter (where status <> 'revoked') as tickets,
            count(*) filter (where entries > 0) as arrived,
            count(*) filter (where status = 'admitted') as inside
        from tickets.ticket where venue_id = $1 and show_id = $2";
    ALL_SCANS = concat!("select ", counts!(), " from tickets.scan s", in_span!());
    BY_GATE = concat!("select s.gate, ", counts!(), " from tickets.scan s", in_span!(),
        " group by s.gate order by count(*) desc, s.gate limit $5");
    BY_DEVICE = concat!("select s.device_id, d.name, max(s.scanned_at) as last_at, ", counts!(),
        " from tickets.scan s
            join tickets.scanner d on d.venue_id = s.venue_id and d.id = s.device_id", in_span!(),
        " group by s.device_id, d.name order by count(*) desc, s.device_id limit $5");
    BY_STAFF = concat!("select s.user_id, p.name, ", counts!(),
        " from tickets.scan s left join tickets.person p on p.id = s.user_id", in_span!(),
        " group by s.user_id, p.name order by count(*) desc, s.user_id limit $5");
    BY_REASON = concat!("select s.reason, count(*) as scans from tickets.scan s", in_span!(),
        " and s.verdict = 'deny' group by s.reason order by count(*) desc, s.reason");
    BY_MINUTE = concat!("select date_trunc('minute', s.scanned_at) as at, ", counts!(),
        " from tickets.scan s", in_span!(), " group by 1 order by 1 desc limit $5");
}

/// All figures, of one moment.
pub(crate) async fn door_figures(
    q: &mut Reader,
    show: ShowId,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
) -> Result<DoorFigures, DbError> {
    let venue = q.venue()?;
    let span: [&(dyn ToSql + Sync); 4] = [&venue, &show, &from, &until];
    let lines: [&(dyn ToSql + Sync); 5] = [&venue, &show, &from, &until, &LINES_MAX];
    let minutes: [&(dyn ToSql + Sync); 5] = [&venue, &show, &from, &until, &MINUTES_MAX];
    let [tickets, all, gates, devices, staff, reasons, times] = q
        .pipeline([
            Query::new(TICKET_FIGURES, &[&venue, &show]),
            Query::new(ALL_SCANS, &span),
            Query::new(BY_GATE, &lines),
            Query::new(BY_DEVICE, &lines),
            Query::new(BY_STAFF, &lines),
            Query::new(BY_REASON, &span),
            Query::new(BY_MINUTE, &minutes),
        ])
        .await?;
    let tickets = tickets.first().ok_or(DbError::Away)?;
    let mut minutes = times.iter().map(minute).collect::<Result<Vec<_>, _>>()?;
    minutes.reverse();
    Ok(DoorFigures {
        tickets: tickets.col("tickets")?,
        arrived: tickets.col("arrived")?,
        inside: tickets.col("inside")?,
        scans: all.first().map(counts).transpose()?.unwrap_or_default(),
        gates: gates.iter().map(gate).collect::<Result<_, _>>()?,
        devices: devices.iter().map(device).collect::<Result<_, _>>()?,
        staff: staff.iter().map(member).collect::<Result<_, _>>()?,
        reasons: reasons.iter().map(reason).collect::<Result<_, _>>()?,
        minutes,
    })
}

fn counts(row: &Row) -> Result<Counts, DbError> {
    Ok(Counts {
        entries: row.col("entries")?,
        exits: row.col("exits")?,
        denied: row.col("denied")?,
        asked: row.col("asked")?,
        forced: row.col("forced")?,
        offline: row.col("offline")?,
        conflicts: row.col("conflicts")?,
    })
}

fn gate(row: &Row) -> Result<GateFigures, DbError> {
    Ok(GateFigures { gate: row.col("gate")?, scans: counts(row)? })
}

fn device(row: &Row) -> Result<DeviceFigures, DbError> {
    Ok(DeviceFigures {
        device_id: row.col("device_id")?,
        name: row.col("name")?,
        last_at: row.col("last_at")?,
        scans: counts(row)?,
    })
}

fn member(row: &Row) -> Result<StaffFigures, DbError> {
    Ok(StaffFigures { user_id: row.col("user_id")?, name: row.col("name")?, scans: counts(row)? })
}

fn reason(row: &Row) -> Result<ReasonFigures, DbError> {
    Ok(ReasonFigures { reason: row.col("reason")?, scans: row.col("scans")? })
}

fn minute(row: &Row) -> Result<MinuteFigures, DbError> {
    Ok(MinuteFigures { at: row.col("at")?, scans: counts(row)? })
}
