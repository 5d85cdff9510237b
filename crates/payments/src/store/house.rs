//! What a venue is to its money: currency, time zone, rules, and its counters.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::clock::Clock;
use kernel::money::Currency;
use pg::{Columns, DbError, Json, Query, Reader, Row, ToSql, Tx, params};

use crate::money::business_day;
use crate::settings::Settings;

pg::statements! {
    FIND_HOUSE = "select v.name, v.currency, v.time_zone, s.rules, coalesce(s.version, 0) as version,
            clock_timestamp() as looked_at
        from payments.venue v left join payments.settings s on s.venue_id = v.venue_id
        where v.venue_id = $1";
    LOCK_SETTINGS = "select rules, version from payments.settings where venue_id = $1 for update";
    SAVE_SETTINGS = "insert into payments.settings (venue_id, rules, version) values ($1, $2, $3)
        on conflict (venue_id) do update set rules = $2, version = $3";
    // Locks the counter until the commit: a number that was given is committed or given again.
    NEXT_RECEIPTS = "insert into payments.counter as c (venue_id, receipts) values ($1, $2)
        on conflict (venue_id) do update set receipts = c.receipts + $2
        returning receipts as last";
    NEXT_REPORT = "insert into payments.counter as c (venue_id, reports) values ($1, 1)
        on conflict (venue_id) do update set reports = c.reports + 1
        returning reports as last";
}

/// A venue as far as its money goes.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) name: String,
    pub(crate) currency: Currency,
    pub(crate) zone: String,
    pub(crate) settings: Settings,
    /// PostgreSQL's time when it was looked at.
    looked_at: Timestamp,
}

impl House {
    /// The business day that it is, for a read: by PostgreSQL's clock, as a write would have it.
    pub(crate) fn today(&self, clock: &Clock) -> Date {
        self.day(clock.shift(self.looked_at))
    }

    /// The business day at `at`.
    pub(crate) fn day(&self, at: Timestamp) -> Date {
        business_day(at, &self.zone, self.settings.day_starts_hour)
    }
}

fn settings(row: &Row) -> Result<Settings, DbError> {
    let rules: Option<Json<Settings>> = row.col("rules")?;
    Ok(Settings { version: row.col("version")?, ..rules.map(|rules| rules.0).unwrap_or_default() })
}

/// `$1` venue.
pub(crate) fn house_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 1]) -> Query<'a> {
    Query::new(FIND_HOUSE, params)
}

pub(crate) fn house(rows: &[Row]) -> Result<House, DbError> {
    // A venue that nobody sees has no money: the scope is wrong.
    let row = rows.first().ok_or(DbError::Forbidden)?;
    let currency = row.col::<&str>("currency")?.parse().map_err(|_| DbError::Forbidden)?;
    let (name, zone) = (row.col("name")?, row.col("time_zone")?);
    let looked_at = row.col("looked_at")?;
    Ok(House { name, currency, zone, settings: settings(row)?, looked_at })
}

pub(crate) async fn find_house(tx: &mut Tx) -> Result<House, DbError> {
    let venue = tx.venue()?;
    house(&tx.query(FIND_HOUSE, &[&venue]).await?)
}

pub(crate) async fn read_house(q: &mut Reader) -> Result<House, DbError> {
    let venue = q.venue()?;
    house(&q.query(FIND_HOUSE, &[&venue]).await?)
}

pub(crate) async fn lock_settings(tx: &mut Tx) -> Result<Settings, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_SETTINGS, &[&venue]).await?;
    rows.first().map_or_else(|| Ok(Settings::default()), settings)
}

pub(crate) fn save_settings(tx: &mut Tx, settings: &Settings) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(settings.clone()), settings.version];
    tx.change(SAVE_SETTINGS, row);
    Ok(())
}

/// The first of `count` fresh receipt numbers, and the lock on the counter.
pub(crate) async fn next_receipts(tx: &mut Tx, count: i64) -> Result<i64, DbError> {
    let venue = tx.venue()?;
    let rows = tx.execute(NEXT_RECEIPTS, &[&venue, &count]).await?;
    let last: i64 = rows.first().ok_or(DbError::Forbidden)?.col("last")?;
    Ok(last - count + 1)
}

/// A fresh number of a Z report, and the lock on the counter.
pub(crate) async fn next_report(tx: &mut Tx) -> Result<i64, DbError> {
    let venue = tx.venue()?;
    tx.execute(NEXT_REPORT, &[&venue]).await?.first().ok_or(DbError::Forbidden)?.col("last")
}
