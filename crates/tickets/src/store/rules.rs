//! Types, lists, zones and questions.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::model::Reentry;
use crate::rules::{List, Question, Rules, TicketType, Zone};
use crate::store::doors::{self, KeyRow};

pg::statements! {
    TYPES = "select id, show_id, class, name, valid_from, valid_until, blocked, version
        from tickets.type where venue_id = $1 and show_id = $2 order by class";
    LISTS = "select id, show_id, name, classes, zone_id, opens_at, closes_at, reentry, entries_max,
            takes_unpaid, version
        from tickets.list where venue_id = $1 and show_id = $2 order by id";
    ZONES = "select id, show_id, name, capacity, inside, version
        from tickets.zone where venue_id = $1 and show_id = $2 order by id";
    QUESTIONS = "select id, show_id, class, list_id, text, choices, each_entry, position, version
        from tickets.question where venue_id = $1 and show_id = $2 order by position, id";
    // The next class is chosen under the lock of the doors.
    INSERT_TYPE = "insert into tickets.type
            (venue_id, id, show_id, class, name, valid_from, valid_until, blocked)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    INSERT_LIST = "insert into tickets.list (venue_id, id, show_id, name, classes, zone_id, opens_at,
            closes_at, reentry, entries_max, takes_unpaid)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    INSERT_ZONE = "insert into tickets.zone (venue_id, id, show_id, name, capacity)
        values ($1, $2, $3, $4, $5)";
    INSERT_QUESTION = "insert into tickets.question
            (venue_id, id, show_id, class, list_id, text, choices, each_entry, position)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
}

pub(crate) fn kind(row: &Row) -> Result<TicketType, DbError> {
    Ok(TicketType {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        class: row.col("class")?,
        name: row.col("name")?,
        valid_from: row.col("valid_from")?,
        valid_until: row.col("valid_until")?,
        blocked: row.col("blocked")?,
        version: row.col("version")?,
    })
}

pub(crate) fn list(row: &Row) -> Result<List, DbError> {
    Ok(List {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        name: row.col("name")?,
        classes: row.col("classes")?,
        zone_id: row.col("zone_id")?,
        opens_at: row.col("opens_at")?,
        closes_at: row.col("closes_at")?,
        // A word of a newer version: nobody comes in twice.
        reentry: Reentry::from_name(row.col("reentry")?).unwrap_or(Reentry::Never),
        entries_max: row.col("entries_max")?,
        takes_unpaid: row.col("takes_unpaid")?,
        version: row.col("version")?,
    })
}

pub(crate) fn zone(row: &Row) -> Result<Zone, DbError> {
    Ok(Zone {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        name: row.col("name")?,
        capacity: row.col("capacity")?,
        inside: row.col("inside")?,
        version: row.col("version")?,
    })
}

pub(crate) fn question(row: &Row) -> Result<Question, DbError> {
    Ok(Question {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        class: row.col("class")?,
        list_id: row.col("list_id")?,
        text: row.col("text")?,
        choices: row.col("choices")?,
        each_entry: row.col("each_entry")?,
        position: row.col("position")?,
        version: row.col("version")?,
    })
}

/// The rows of doors, keys, types, lists, zones and questions.
type Found = [Vec<Row>; 6];

fn gather(found: Found) -> Result<Option<(Rules, Vec<KeyRow>)>, DbError> {
    let [doors, keys, types, lists, zones, questions] = found;
    let Some(row) = doors.first() else { return Ok(None) };
    let rules = Rules {
        doors: doors::doors(row)?,
        types: types.iter().map(kind).collect::<Result<_, _>>()?,
        lists: lists.iter().map(list).collect::<Result<_, _>>()?,
        zones: zones.iter().map(zone).collect::<Result<_, _>>()?,
        questions: questions.iter().map(question).collect::<Result<_, _>>()?,
    };
    Ok(Some((rules, keys.iter().map(doors::key).collect::<Result<_, _>>()?)))
}

/// All that counts at the doors of `show`, of one moment.
pub(crate) async fn find_rules(
    q: &mut Reader,
    show: ShowId,
) -> Result<Option<(Rules, Vec<KeyRow>)>, DbError> {
    let venue = q.venue()?;
    let at: [&(dyn pg::ToSql + Sync); 2] = [&venue, &show];
    let all = [doors::SHOW_DOORS, doors::SHOW_KEYS, TYPES, LISTS, ZONES, QUESTIONS];
    gather(q.pipeline(all.map(|sql| Query::new(sql, &at))).await?)
}

/// The same inside a write. The doors come first: what is read after them is at least as new as
/// their number says.
pub(crate) async fn rules_of(
    tx: &mut Tx,
    show: ShowId,
) -> Result<Option<(Rules, Vec<KeyRow>)>, DbError> {
    let venue = tx.venue()?;
    let at: [&(dyn pg::ToSql + Sync); 2] = [&venue, &show];
    let all = [doors::SHOW_DOORS, doors::SHOW_KEYS, TYPES, LISTS, ZONES, QUESTIONS];
    gather(tx.pipeline(all.map(|sql| Query::new(sql, &at))).await?)
}

pub(crate) fn insert_type(tx: &mut Tx, new: &TicketType) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.show_id,
        new.class,
        new.name.clone(),
        new.valid_from,
        new.valid_until,
        new.blocked.clone(),
    ];
    tx.change(INSERT_TYPE, row);
    Ok(())
}

pub(crate) fn insert_list(tx: &mut Tx, new: &List) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.show_id,
        new.name.clone(),
        new.classes.clone(),
        new.zone_id,
        new.opens_at,
        new.closes_at,
        new.reentry.as_str(),
        new.entries_max,
        new.takes_unpaid,
    ];
    tx.change(INSERT_LIST, row);
    Ok(())
}

pub(crate) fn insert_zone(tx: &mut Tx, new: &Zone) -> Result<(), DbError> {
    let row = params![tx.venue()?, new.id, new.show_id, new.name.clone(), new.capacity];
    tx.change(INSERT_ZONE, row);
    Ok(())
}

pub(crate) fn insert_question(tx: &mut Tx, new: &Question) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.show_id,
        new.class,
        new.list_id,
        new.text.clone(),
        new.choices.clone(),
        new.each_entry,
        new.position,
    ];
    tx.change(INSERT_QUESTION, row);
    Ok(())
}
