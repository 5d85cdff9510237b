//! The floor under its locks, and saving what a write has changed of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kernel::ids::{GuestId, TableId};
use pg::{Columns, DbError, Json, Query, Reader, Row, Tx};
use uuid::Uuid;

use crate::choose::Turn;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::plan::{LEVELS_MAX, SECTIONS_MAX, TABLES_MAX};
use crate::reads::FloorRows;
use crate::reservation::Booked;
use crate::settings::{FloorRules, FloorSettings};
use crate::store::{guests, levels, reservations, tables};

/// How far ahead reservations count for whoever sits down now.
const AHEAD: SignedDuration = SignedDuration::from_hours(13);
/// Live parties, and reservations, of one snapshot.
const LIVE_MAX: i64 = 5_000;

pg::statements! {
    // The order of the locks: reservations, parties, tables, sections, each by id. What belongs to
    // a party that is locked cannot change any more, so the next statement sees all of its tables.
    LOCK_RESERVATIONS = "select id, guest_name, party_size, phone, notes, starts_at, ends_at, status,
            table_ids, guest_id, exceeds_pacing, expires_at, why, version, user_id, token_hash
        from floor.reservation
        where venue_id = $1 and (id = any($2)
            or id in (select reservation_id from floor.guest where venue_id = $1 and id = any($3)))
        order by id for update";
    LOCK_GUESTS = "select id, guest_name, party_size, phone, email, notes, allergies, flags, status,
            tables, section_id, over_capacity, reservation_id, quoted_from_minutes, quoted_to_minutes,
            link_hash, created_at, notified_at, arrived_at, seated_at, ended_at, previous_status,
            previous_tables, stepped_at, version
        from floor.guest
        where venue_id = $1 and (id = any($3)
            or id in (select guest_id from floor.reservation where venue_id = $1 and id = any($2)))
        order by id for update";
    LOCK_TABLES = "select id, name, section_id, x, y, width, height, rotation, shape, min_seats,
            max_seats, combinable_with, walk_in_only, status, version, null::uuid as guest_id
        from floor.table
        where venue_id = $1 and (id = any($4) or $5
            or id in (select table_id from floor.seating
                      where venue_id = $1 and guest_id = any($3))
            or id in (select unnest(g.tables || g.previous_tables) from floor.guest g
                      where g.venue_id = $1 and g.id = any($3))
            or id in (select unnest(r.table_ids) from floor.reservation r
                      where r.venue_id = $1 and (r.id = any($2) or r.id in (
                          select reservation_id from floor.guest
                          where venue_id = $1 and id = any($3)))))
        order by id for update";
    LOCK_PLAN = "select id, name, section_id, x, y, width, height, rotation, shape, min_seats,
            max_seats, combinable_with, walk_in_only, status, version, null::uuid as guest_id
        from floor.table where venue_id = $1 and id = any($2) order by id for update";
    LOCK_SECTIONS = "select id, name, server, level_id, version from floor.section
        where venue_id = $1 and id = any($2) order by id for update";
    LIST_SECTIONS = "select id, name, server, level_id, version from floor.section
        where venue_id = $1 order by id";
    // Stand behind the locks in the same packet, with snapshots of their own: they see who sat down
    // or was promised a table while the lock was waited for.
    SEATINGS = "select s.table_id, s.guest_id, g.seated_at, g.party_size
        from floor.seating s join floor.guest g on g.venue_id = s.venue_id and g.id = s.guest_id
        where s.venue_id = $1";
    SEATED_AT = "select s.table_id, s.guest_id, g.seated_at, g.party_size
        from floor.seating s join floor.guest g on g.venue_id = s.venue_id and g.id = s.guest_id
        where s.venue_id = $1 and s.table_id = any($2)";
    SETTINGS = "select rules, version from floor.settings where venue_id = $1";
    PROMISES = "select p.reservation_id, p.table_id, r.starts_at, r.ends_at, r.status, r.expires_at
        from floor.promise p
        join floor.reservation r on r.venue_id = p.venue_id and r.id = p.reservation_id
        where p.venue_id = $1 and p.during && tstzrange($2, $3)";
    STARTS = "select id, starts_at, party_size, status, expires_at from floor.reservation
        where venue_id = $1 and starts_at >= $2 and starts_at < $3
          and status in ('held', 'booked', 'arrived', 'seated')";
    TURNS = "select section_id, max(seated_at) as last_seated,
            coalesce(sum(party_size) filter (where status = 'seated'), 0) as covers
        from floor.guest
        where venue_id = $1 and section_id is not null and seated_at > now() - interval '12 hours'
        group by section_id";
}

fn settings(row: Option<&Row>) -> Result<FloorSettings, DbError> {
    let Some(row) = row else { return Ok(FloorSettings::default()) };
    let rules = row.col::<Json<FloorRules>>("rules")?.0;
    Ok(FloorSettings { rules, version: row.col("version")? })
}

/// Whether a row of a reservation's status and expiry keeps its tables.
fn is_live(row: &Row, now: Timestamp) -> Result<bool, DbError> {
    let expires: Option<Timestamp> = row.col("expires_at")?;
    Ok(row.col::<&str>("status")? != "held" || expires.is_some_and(|at| at > now))
}

/// Locks what is touched and looks at what belongs to it. One packet; two for a choice among all.
pub(crate) async fn lock_floor(tx: &mut Tx, touched: &Touched) -> Result<Floor, DbError> {
    let venue = tx.venue()?;
    let Touched { reservations: bookings, guests: parties, tables: named, sections, .. } = touched;
    let window = touched.window.unwrap_or((tx.now() - AHEAD, tx.now() + AHEAD));
    let [held, found, locked, _, all_sections, seatings, rules, promises] = tx
        .pipeline([
            Query::new(LOCK_RESERVATIONS, &[&venue, bookings, parties]),
            Query::new(LOCK_GUESTS, &[&venue, bookings, parties]),
            Query::new(LOCK_TABLES, &[&venue, bookings, parties, named, &touched.all_tables]),
            Query::new(LOCK_SECTIONS, &[&venue, sections]),
            Query::new(LIST_SECTIONS, &[&venue]),
            Query::new(SEATINGS, &[&venue]),
            Query::new(SETTINGS, &[&venue]),
            Query::new(PROMISES, &[&venue, &window.0, &window.1]),
        ])
        .await?;
    let mut floor = Floor::new(tx.now());
    floor.settings = settings(rules.first())?;
    for row in &held {
        let owned = reservations::owned(row)?;
        floor.tokens.insert(owned.reservation.id, (owned.user, owned.token_hash));
        floor.reservations.insert(owned.reservation.id, owned.reservation);
    }
    for row in &found {
        let party = guests::party(row)?;
        floor.guests.insert(party.guest.id, party);
    }
    for row in &all_sections {
        let section = tables::section(row)?;
        floor.sections.insert(section.id, section);
    }
    for row in &locked {
        let table = tables::table(row)?;
        floor.tables.insert(table.id, table);
    }
    sit_down(&mut floor, &seatings)?;
    promise(&mut floor, &promises)?;
    if touched.all_tables {
        look_around(tx, &mut floor, window).await?;
    }
    if touched.levels {
        floor.levels = levels::lock_levels(tx).await?.into_iter().map(|it| (it.id, it)).collect();
    }
    Ok(floor)
}

/// Locks tables of the plan and looks at who sits there. One packet. The sections are looked at if
/// `sections`.
pub(crate) async fn lock_plan(
    tx: &mut Tx,
    tables: &[TableId],
    sections: bool,
) -> Result<Floor, DbError> {
    let venue = tx.venue()?;
    let params: [&(dyn pg::ToSql + Sync); 2] = [&venue, &tables];
    let (lock, look) = (Query::new(LOCK_PLAN, &params), Query::new(SEATED_AT, &params));
    let (locked, seatings, all_sections) = if sections {
        let [locked, seatings, all_sections] =
            tx.pipeline([lock, look, Query::new(LIST_SECTIONS, &[&venue])]).await?;
        (locked, seatings, all_sections)
    } else {
        let [locked, seatings] = tx.pipeline([lock, look]).await?;
        (locked, seatings, Vec::new())
    };
    let mut floor = Floor::new(tx.now());
    for row in &all_sections {
        let section = tables::section(row)?;
        floor.sections.insert(section.id, section);
    }
    for row in &locked {
        let table = tables::table(row)?;
        floor.tables.insert(table.id, table);
    }
    sit_down(&mut floor, &seatings)?;
    Ok(floor)
}

fn sit_down(floor: &mut Floor, seatings: &[Row]) -> Result<(), DbError> {
    for row in seatings {
        let (table, guest): (TableId, GuestId) = (row.col("table_id")?, row.col("guest_id")?);
        let seated: Option<Timestamp> = row.col("seated_at")?;
        let turn = floor.settings.rules.turn(row.col("party_size")?);
        floor.occupied_until.insert(table, seated.unwrap_or(floor.now) + turn);
        if let Some(found) = floor.tables.get_mut(&table) {
            found.guest_id = Some(guest);
            floor.seated_before.insert(table, guest);
        }
    }
    Ok(())
}

fn promise(floor: &mut Floor, promises: &[Row]) -> Result<(), DbError> {
    for row in promises {
        floor.booked.push(Booked {
            reservation: row.col("reservation_id")?,
            table: row.col("table_id")?,
            from: row.col("starts_at")?,
            to: row.col("ends_at")?,
            live: is_live(row, floor.now)?,
        });
    }
    Ok(())
}

/// What a choice among all tables looks at besides.
async fn look_around(
    tx: &mut Tx,
    floor: &mut Floor,
    (from, to): (Timestamp, Timestamp),
) -> Result<(), DbError> {
    let venue = tx.venue()?;
    let [starts, turns] = tx
        .pipeline([Query::new(STARTS, &[&venue, &from, &to]), Query::new(TURNS, &[&venue])])
        .await?;
    look(floor, &starts, &turns)
}

fn look(floor: &mut Floor, starts: &[Row], turns: &[Row]) -> Result<(), DbError> {
    for row in starts {
        if is_live(row, floor.now)? {
            floor.starts.push((row.col("id")?, row.col("starts_at")?, row.col("party_size")?));
        }
    }
    for row in turns {
        let turn = Turn { covers: row.col("covers")?, last_seated: row.col("last_seated")? };
        floor.turns.insert(row.col("section_id")?, turn);
    }
    Ok(())
}

/// The whole floor as of one moment, without locks: for availability and quotes.
pub(crate) async fn look_at_floor(
    q: &mut Reader,
    now: Timestamp,
    (from, to): (Timestamp, Timestamp),
) -> Result<Floor, DbError> {
    let rows = find_floor(q).await?;
    let venue = q.venue()?;
    let [seatings, promises, starts, turns] = q
        .pipeline([
            Query::new(SEATINGS, &[&venue]),
            Query::new(PROMISES, &[&venue, &from, &to]),
            Query::new(STARTS, &[&venue, &from, &to]),
            Query::new(TURNS, &[&venue]),
        ])
        .await?;
    let mut floor = Floor::new(now);
    floor.settings = rows.settings;
    floor.sections = rows.sections.into_iter().map(|it| (it.id, it)).collect();
    floor.tables = rows.tables.into_iter().map(|it| (it.id, it)).collect();
    floor.guests = rows.guests.into_iter().map(|it| (it.guest.id, it)).collect();
    sit_down(&mut floor, &seatings)?;
    promise(&mut floor, &promises)?;
    look(&mut floor, &starts, &turns)?;
    Ok(floor)
}

/// The line and what it waits for, inside a write and without locks: for quotes that are told. Gives
/// the number of the log that they rest on, read first.
pub(crate) async fn look_at_line(tx: &mut Tx) -> Result<(i64, Floor), DbError> {
    let (venue, nil, now) = (tx.venue()?, Uuid::nil(), tx.now());
    let (many, ahead) = (i64::try_from(TABLES_MAX).unwrap_or(i64::MAX), now + AHEAD);
    let [head, found, parties, rules, seatings, promises] = tx
        .pipeline([
            pg::log::head_query(&[&venue]),
            Query::new(tables::TABLES, &[&venue, &nil, &many]),
            Query::new(guests::LIVE, &[&venue, &LIVE_MAX]),
            Query::new(SETTINGS, &[&venue]),
            Query::new(SEATINGS, &[&venue]),
            Query::new(PROMISES, &[&venue, &now, &ahead]),
        ])
        .await?;
    let mut floor = Floor::new(now);
    floor.settings = settings(rules.first())?;
    for row in &found {
        let table = tables::table(row)?;
        floor.tables.insert(table.id, table);
    }
    for row in &parties {
        let party = guests::party(row)?;
        floor.guests.insert(party.guest.id, party);
    }
    sit_down(&mut floor, &seatings)?;
    promise(&mut floor, &promises)?;
    let seq = head.first().map(pg::log::head_pos).transpose()?.map_or(0, |pos| pos.seq);
    Ok((seq, floor))
}

/// What a screen shows, as of the position that comes with it: the head is read first.
pub(crate) async fn find_floor(q: &mut Reader) -> Result<FloorRows, DbError> {
    let (venue, nil) = (q.venue()?, Uuid::nil());
    let most = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
    let (many, few, fewest) = (most(TABLES_MAX), most(SECTIONS_MAX), most(LEVELS_MAX));
    let [head, storeys, sections, found, parties, bookings, rules] = q
        .pipeline([
            pg::log::head_query(&[&venue]),
            Query::new(levels::LEVELS, &[&venue, &nil, &fewest]),
            Query::new(tables::SECTIONS, &[&venue, &nil, &few]),
            Query::new(tables::TABLES, &[&venue, &nil, &many]),
            Query::new(guests::LIVE, &[&venue, &LIVE_MAX]),
            Query::new(reservations::LIVE, &[&venue, &LIVE_MAX]),
            Query::new(SETTINGS, &[&venue]),
        ])
        .await?;
    Ok(FloorRows {
        pos: head.first().map(pg::log::head_pos).transpose()?,
        settings: settings(rules.first())?,
        levels: storeys.iter().map(levels::level).collect::<Result<_, _>>()?,
        sections: sections.iter().map(tables::section).collect::<Result<_, _>>()?,
        tables: found.iter().map(tables::table).collect::<Result<_, _>>()?,
        guests: parties.iter().map(guests::party).collect::<Result<_, _>>()?,
        reservations: bookings
            .iter()
            .map(|row| reservations::owned(row).map(|found| found.reservation))
            .collect::<Result<_, _>>()?,
    })
}

/// Sends all that the write has changed with its commit.
pub(crate) fn save(tx: &mut Tx, floor: &Floor) -> Result<(), DbError> {
    let now = floor.seated_now();
    let same = |it: &(&TableId, &GuestId)| now.get(it.0) == Some(it.1);
    let freed: Vec<TableId> =
        floor.seated_before.iter().filter(|it| !same(it)).map(|(table, _)| *table).collect();
    let taken: BTreeMap<TableId, GuestId> = now
        .iter()
        .filter(|(table, guest)| floor.seated_before.get(table) != Some(guest))
        .map(|(table, guest)| (*table, *guest))
        .collect();
    if !freed.is_empty() {
        tables::delete_seatings(tx, freed)?;
    }
    save_entities(tx, floor)?;
    if !taken.is_empty() {
        tables::insert_seatings(tx, &taken)?;
    }
    delete_entities(tx, floor)
}

/// The changed ones of a kind, as `find` finds them.
fn changed<T>(floor: &Floor, find: impl Fn(Key) -> Option<T>) -> Vec<T> {
    let kept = floor.told.iter().filter(|told| told.fate != Fate::Deleted);
    kept.filter_map(|told| find(told.key)).collect()
}

fn save_entities(tx: &mut Tx, floor: &Floor) -> Result<(), DbError> {
    let storeys = changed(floor, |key| match key {
        Key::Level(id) => floor.levels.get(&id).cloned(),
        _ => None,
    });
    let sections = changed(floor, |key| match key {
        Key::Section(id) => floor.sections.get(&id).cloned(),
        _ => None,
    });
    let found = changed(floor, |key| match key {
        Key::Table(id) => floor.tables.get(&id).cloned(),
        _ => None,
    });
    let parties = changed(floor, |key| match key {
        Key::Guest(id) => floor.guests.get(&id).cloned(),
        _ => None,
    });
    let bookings = changed(floor, |key| match key {
        Key::Reservation(id) => floor.reservations.get(&id).cloned(),
        _ => None,
    });
    if !storeys.is_empty() {
        levels::save_levels(tx, storeys)?;
    }
    if !sections.is_empty() {
        tables::save_sections(tx, sections)?;
    }
    if !found.is_empty() {
        tables::save_tables(tx, found)?;
    }
    if !parties.is_empty() {
        guests::save_guests(tx, parties)?;
    }
    if bookings.is_empty() {
        return Ok(());
    }
    let expired = floor.booked.iter().filter(|it| !it.live).map(|it| it.reservation);
    let over = bookings.iter().map(|it| it.id).chain(expired).collect();
    let live: Vec<_> = bookings.iter().filter(|it| it.keeps_tables(floor.now)).cloned().collect();
    reservations::save_reservations(tx, bookings)?;
    reservations::replace_promises(tx, over, &live)
}

fn delete_entities(tx: &mut Tx, floor: &Floor) -> Result<(), DbError> {
    let (mut sections, mut gone, mut parties) = (Vec::new(), Vec::new(), Vec::new());
    let mut storeys = Vec::new();
    for told in floor.told.iter().filter(|told| told.fate == Fate::Deleted) {
        match told.key {
            Key::Level(id) => storeys.push(id.0),
            Key::Section(id) => sections.push(id.0),
            Key::Table(id) => gone.push(id.0),
            Key::Guest(id) => parties.push(id.0),
            Key::Reservation(_) => {}
        }
    }
    if !gone.is_empty() {
        tables::delete_tables(tx, gone)?;
    }
    if !sections.is_empty() {
        tables::delete_sections(tx, sections)?;
    }
    if !storeys.is_empty() {
        levels::delete_levels(tx, storeys)?;
    }
    if !parties.is_empty() {
        guests::delete_guests(tx, parties)?;
    }
    Ok(())
}
