//! Parties and their sessions.

use jiff::Timestamp;
use kernel::ids::{PartyId, ShowId};
use pg::{Columns, DbError, Row, Tx, params};
use uuid::Uuid;

use crate::model::PartyRow;

pg::statements! {
    INSERT_PARTY = "insert into gala.party (venue_id, id, show_id, code, created_at)
        values ($1, $2, $3, $4, $5)";
    PARTY_BY_CODE = "select p.id, p.code, w.code as with_code
        from gala.party p left join gala.party w on w.venue_id = p.venue_id and w.id = p.with_party
        where p.venue_id = $1 and p.show_id = $2 and p.code = $3";
    PARTY = "select p.id, p.code, w.code as with_code
        from gala.party p left join gala.party w on w.venue_id = p.venue_id and w.id = p.with_party
        where p.venue_id = $1 and p.id = $2";
    SET_WITH = "update gala.party set with_party = $3 where venue_id = $1 and id = $2";
    INSERT_SESSION = "insert into gala.session (venue_id, id, party_id, token_hash, expires_at)
        values ($1, $2, $3, $4, $5)";
    // The oldest end where a party has more than it may.
    TRIM_SESSIONS = "delete from gala.session where venue_id = $1 and party_id = $2 and id not in (
            select id from gala.session where venue_id = $1 and party_id = $2
            order by expires_at desc limit $3)";
    FORGET_SESSIONS = "delete from gala.session where expires_at < now() - interval '1 day'";
}

fn party(row: &Row) -> Result<PartyRow, DbError> {
    Ok(PartyRow { id: row.col("id")?, code: row.col("code")?, with: row.col("with_code")? })
}

pub(crate) fn insert_party(
    tx: &mut Tx,
    id: PartyId,
    show: ShowId,
    code: &str,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, show, code.to_owned(), tx.now()];
    tx.change(INSERT_PARTY, row);
    Ok(())
}

pub(crate) async fn find_by_code(
    tx: &mut Tx,
    show: ShowId,
    code: &str,
) -> Result<Option<PartyRow>, DbError> {
    let venue = tx.venue()?;
    tx.query(PARTY_BY_CODE, &[&venue, &show, &code]).await?.first().map(party).transpose()
}

pub(crate) async fn find(tx: &mut Tx, id: PartyId) -> Result<Option<PartyRow>, DbError> {
    let venue = tx.venue()?;
    tx.query(PARTY, &[&venue, &id]).await?.first().map(party).transpose()
}

pub(crate) fn set_with(tx: &mut Tx, party: PartyId, with: Option<PartyId>) -> Result<(), DbError> {
    let row = params![tx.venue()?, party, with];
    tx.change(SET_WITH, row);
    Ok(())
}

pub(crate) fn insert_session(
    tx: &mut Tx,
    party: PartyId,
    token_hash: Vec<u8>,
    expires_at: Timestamp,
    most: i64,
) -> Result<(), DbError> {
    let id: Uuid = kernel::ids::fresh(tx.now());
    let row = params![tx.venue()?, id, party, token_hash, expires_at];
    tx.change(INSERT_SESSION, row);
    let row = params![tx.venue()?, party, most];
    tx.change(TRIM_SESSIONS, row);
    Ok(())
}

pub(crate) fn forget_sessions(tx: &mut Tx) {
    tx.change(FORGET_SESSIONS, params![]);
}
