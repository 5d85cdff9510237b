//! Therapists with their shifts, and how the spa works.

use jiff::Timestamp;
use kernel::ids::UserId;
use kernel::money::Currency;
use pg::{Columns, DbError, Json, Query, Reader, Row, ToSql, Tx, params};

use crate::model::TherapistRow;
use crate::settings::{SpaRules, SpaSettings};

pg::statements! {
    FIND_RULES = "select rules, version from spa.settings where venue_id = $1";
    LOCK_RULES = "select rules, version from spa.settings where venue_id = $1 for update";
    SAVE_RULES = "insert into spa.settings (venue_id, rules, version) values ($1, $2, $3)
        on conflict (venue_id) do update set rules = excluded.rules, version = excluded.version";
    FIND_HOUSE = "select h.time_zone, h.currency, clock_timestamp() as looked_at from spa.house($1) h";
    // One's own row, and how few turns the others on shift have had: whoever joins has as many.
    LOCK_THERAPIST = "select user_id, name, skills, began_at, break_at, turns, turn_at,
            turn_before, ready_at, order_id, version
        from spa.therapist where venue_id = $1 and user_id = $2 for update";
    FEWEST_TURNS = "select coalesce(min(turns), 0) as fewest from spa.therapist
        where venue_id = $1 and user_id <> $2 and began_at is not null";
    INSERT_THERAPIST = "insert into spa.therapist (venue_id, user_id, name, skills, version)
        values ($1, $2, $3, $4, 1)";
    RENAME_THERAPIST = "update spa.therapist set name = $3, skills = $4, version = $5
        where venue_id = $1 and user_id = $2";
    UPDATE_THERAPIST = "update spa.therapist set began_at = $3, break_at = $4, turns = $5,
            turn_at = $6, turn_before = $7, ready_at = $8, order_id = $9, version = $10
        where venue_id = $1 and user_id = $2";
    MARK_READY = "update spa.therapist set ready_at = $3 where venue_id = $1 and user_id = $2";
    LIST_THERAPISTS = "select user_id, name, skills, began_at, break_at, turns, turn_at,
            turn_before, ready_at, order_id, version
        from spa.therapist where venue_id = $1
        order by began_at is null, turns, turn_at, user_id limit 1000";
    // Whom a customer may ask for.
    FIND_ON_SHIFT = "select user_id, name, skills, began_at, break_at, turns, turn_at,
            turn_before, ready_at, order_id, version
        from spa.therapist where venue_id = $1 and user_id = $2 and began_at is not null";
}

pub(crate) fn therapist(row: &Row) -> Result<TherapistRow, DbError> {
    Ok(TherapistRow {
        id: row.col("user_id")?,
        name: row.col("name")?,
        skills: row.col("skills")?,
        began_at: row.col("began_at")?,
        break_at: row.col("break_at")?,
        turns: row.col("turns")?,
        turn_at: row.col("turn_at")?,
        turn_before: row.col("turn_before")?,
        ready_at: row.col("ready_at")?,
        order: row.col("order_id")?,
        version: row.col("version")?,
    })
}

/// The statement that reads how the spa works, for a slice's packet.
pub(crate) fn rules_query<'a>(venue: &'a [&'a (dyn ToSql + Sync); 1]) -> Query<'a> {
    Query::new(FIND_RULES, venue)
}

/// How the spa works, from its rows: the defaults without one.
pub(crate) fn rules(rows: &[Row]) -> Result<SpaSettings, DbError> {
    let Some(row) = rows.first() else { return Ok(SpaSettings::default()) };
    let rules: Json<SpaRules> = row.col("rules")?;
    Ok(SpaSettings { rules: rules.0, version: row.col("version")? })
}

pub(crate) async fn find_settings(q: &mut Reader) -> Result<SpaSettings, DbError> {
    let venue = q.venue()?;
    rules(&q.query(FIND_RULES, &[&venue]).await?)
}

pub(crate) async fn lock_settings(tx: &mut Tx) -> Result<SpaSettings, DbError> {
    let venue = tx.venue()?;
    rules(&tx.query(LOCK_RULES, &[&venue]).await?)
}

pub(crate) fn save_settings(tx: &mut Tx, settings: &SpaSettings) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(settings.rules.clone()), settings.version];
    tx.change(SAVE_RULES, row);
    Ok(())
}

/// Where a venue's days begin and what it is paid in.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) time_zone: String,
    pub(crate) currency: Currency,
    /// PostgreSQL's time when it was looked at: what day it is there, reads ask of it.
    pub(crate) looked_at: Timestamp,
}

/// The statement that reads it, for a slice's packet.
pub(crate) fn house_query<'a>(venue: &'a [&'a (dyn ToSql + Sync); 1]) -> Query<'a> {
    Query::new(FIND_HOUSE, venue)
}

/// The house, from its row; nothing where there is no such venue.
pub(crate) fn house(rows: &[Row]) -> Result<Option<House>, DbError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let currency: &str = row.col("currency")?;
    let currency = currency.parse().map_err(|_| DbError::Forbidden)?;
    let (time_zone, looked_at) = (row.col("time_zone")?, row.col("looked_at")?);
    Ok(Some(House { time_zone, currency, looked_at }))
}

/// The house, for a write of its own venue.
pub(crate) async fn house_now(tx: &mut Tx) -> Result<House, DbError> {
    let venue = tx.venue()?;
    let [rows] = tx.pipeline([house_query(&[&venue])]).await?;
    // Whoever may write here is a member of a venue that is there.
    house(&rows)?.ok_or(DbError::Forbidden)
}

/// A therapist's row, locked, with what a shift depends on.
pub(crate) struct LockedTherapist {
    pub(crate) therapist: Option<TherapistRow>,
    /// How few turns the others on shift have had.
    pub(crate) fewest: i32,
    pub(crate) house: Option<House>,
}

pub(crate) async fn lock_therapist(tx: &mut Tx, id: UserId) -> Result<LockedTherapist, DbError> {
    let venue = tx.venue()?;
    let [rows, fewest, houses] = tx
        .pipeline([
            Query::new(LOCK_THERAPIST, &[&venue, &id]),
            Query::new(FEWEST_TURNS, &[&venue, &id]),
            house_query(&[&venue]),
        ])
        .await?;
    Ok(LockedTherapist {
        therapist: rows.first().map(therapist).transpose()?,
        fewest: fewest.first().ok_or(DbError::Away)?.col("fewest")?,
        house: house(&houses)?,
    })
}

pub(crate) fn insert_therapist(tx: &mut Tx, it: &TherapistRow) -> Result<(), DbError> {
    let row = params![tx.venue()?, it.id, it.name.clone(), it.skills.clone()];
    tx.change(INSERT_THERAPIST, row);
    Ok(())
}

pub(crate) fn rename_therapist(tx: &mut Tx, it: &TherapistRow) -> Result<(), DbError> {
    let row = params![tx.venue()?, it.id, it.name.clone(), it.skills.clone(), it.version];
    tx.change(RENAME_THERAPIST, row);
    Ok(())
}

pub(crate) fn update_state(tx: &mut Tx, it: &TherapistRow) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.began_at,
        it.break_at,
        it.turns,
        it.turn_at,
        it.turn_before,
        it.ready_at,
        it.order,
        it.version,
    ];
    tx.change(UPDATE_THERAPIST, row);
    Ok(())
}

/// The therapist asked for a customer and there was none: first in the rotation comes first.
pub(crate) fn mark_ready(tx: &mut Tx, id: UserId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, tx.now()];
    tx.change(MARK_READY, row);
    Ok(())
}

/// All of them, those on shift in the rotation's order first.
pub(crate) async fn list_therapists(q: &mut Reader) -> Result<Vec<TherapistRow>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_THERAPISTS, &[&venue]).await?.iter().map(therapist).collect()
}

/// The statement that finds a therapist on shift, for a slice's packet.
pub(crate) fn on_shift_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(FIND_ON_SHIFT, params)
}
