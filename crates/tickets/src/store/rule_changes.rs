//! Changing and deleting types, lists, zones and questions.

use kernel::ids::{ListId, QuestionId, ShowId, TicketTypeId, ZoneId};
use pg::{Columns, DbError, Tx, params};
use uuid::Uuid;

use crate::rules::{List, Question, TicketType, Zone};

pg::statements! {
    // The doors are the lock of all their rules.
    DOORS_OF_TYPE = "select show_id from tickets.show where venue_id = $1 and show_id =
            (select show_id from tickets.type where venue_id = $1 and id = $2)
        for no key update";
    DOORS_OF_LIST = "select show_id from tickets.show where venue_id = $1 and show_id =
            (select show_id from tickets.list where venue_id = $1 and id = $2)
        for no key update";
    DOORS_OF_ZONE = "select show_id from tickets.show where venue_id = $1 and show_id =
            (select show_id from tickets.zone where venue_id = $1 and id = $2)
        for no key update";
    DOORS_OF_QUESTION = "select show_id from tickets.show where venue_id = $1 and show_id =
            (select show_id from tickets.question where venue_id = $1 and id = $2)
        for no key update";
    SAVE_TYPE = "update tickets.type
        set name = $3, valid_from = $4, valid_until = $5, blocked = $6, version = $7
        where venue_id = $1 and id = $2";
    SAVE_LIST = "update tickets.list
        set name = $3, classes = $4, zone_id = $5, opens_at = $6, closes_at = $7, reentry = $8,
            entries_max = $9, takes_unpaid = $10, version = $11
        where venue_id = $1 and id = $2";
    SAVE_ZONE = "update tickets.zone set name = $3, capacity = $4, version = $5
        where venue_id = $1 and id = $2";
    SAVE_QUESTION = "update tickets.question
        set text = $3, choices = $4, class = $5, list_id = $6, each_entry = $7, position = $8,
            version = $9
        where venue_id = $1 and id = $2";
    HAS_TICKETS = "select exists (
            select from tickets.type y
            join tickets.ticket t on t.venue_id = y.venue_id and t.show_id = y.show_id
                and t.class = y.class
            where y.venue_id = $1 and y.id = $2) as found";
    DELETE_TYPE = "delete from tickets.type where venue_id = $1 and id = $2";
    DELETE_LIST = "delete from tickets.list where venue_id = $1 and id = $2";
    // Whoever is counted in there is counted out of it first.
    DELETE_ZONE = "delete from tickets.zone where venue_id = $1 and id = $2 and inside = 0";
    DELETE_QUESTION = "delete from tickets.question where venue_id = $1 and id = $2";
}

/// One of the rules of a show's doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Type(TicketTypeId),
    List(ListId),
    Zone(ZoneId),
    Question(QuestionId),
}

impl Rule {
    fn id(self) -> Uuid {
        match self {
            Self::Type(id) => id.0,
            Self::List(id) => id.0,
            Self::Zone(id) => id.0,
            Self::Question(id) => id.0,
        }
    }
}

/// Locks the doors that the rule belongs to; which show they are of.
pub(crate) async fn lock_doors_of(tx: &mut Tx, rule: Rule) -> Result<Option<ShowId>, DbError> {
    let (venue, id) = (tx.venue()?, rule.id());
    let sql = match rule {
        Rule::Type(_) => DOORS_OF_TYPE,
        Rule::List(_) => DOORS_OF_LIST,
        Rule::Zone(_) => DOORS_OF_ZONE,
        Rule::Question(_) => DOORS_OF_QUESTION,
    };
    let rows = tx.query(sql, &[&venue, &id]).await?;
    rows.first().map(|row| row.col("show_id")).transpose()
}

/// Whether tickets are of this type.
pub(crate) async fn has_tickets(tx: &mut Tx, id: TicketTypeId) -> Result<bool, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(HAS_TICKETS, &[&venue, &id]).await?;
    rows.first().map_or(Ok(false), |row| row.col("found"))
}

pub(crate) fn delete(tx: &mut Tx, rule: Rule) -> Result<(), DbError> {
    let row = params![tx.venue()?, rule.id()];
    let sql = match rule {
        Rule::Type(_) => DELETE_TYPE,
        Rule::List(_) => DELETE_LIST,
        Rule::Zone(_) => DELETE_ZONE,
        Rule::Question(_) => DELETE_QUESTION,
    };
    tx.change(sql, row);
    Ok(())
}

pub(crate) fn save_type(tx: &mut Tx, it: &TicketType) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.name.clone(),
        it.valid_from,
        it.valid_until,
        it.blocked.clone(),
        it.version,
    ];
    tx.change(SAVE_TYPE, row);
    Ok(())
}

pub(crate) fn save_list(tx: &mut Tx, it: &List) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.name.clone(),
        it.classes.clone(),
        it.zone_id,
        it.opens_at,
        it.closes_at,
        it.reentry.as_str(),
        it.entries_max,
        it.takes_unpaid,
        it.version,
    ];
    tx.change(SAVE_LIST, row);
    Ok(())
}

pub(crate) fn save_zone(tx: &mut Tx, it: &Zone) -> Result<(), DbError> {
    let row = params![tx.venue()?, it.id, it.name.clone(), it.capacity, it.version];
    tx.change(SAVE_ZONE, row);
    Ok(())
}

pub(crate) fn save_question(tx: &mut Tx, it: &Question) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.text.clone(),
        it.choices.clone(),
        it.class,
        it.list_id,
        it.each_entry,
        it.position,
        it.version,
    ];
    tx.change(SAVE_QUESTION, row);
    Ok(())
}
