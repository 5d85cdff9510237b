//! Captains of tables, and whom they invite.

use jiff::Timestamp;
use kernel::ids::{InvitationId, ShowId};
use pg::{Columns, DbError, Reader, Row, Tx, params};

use crate::captain::{Captain, Invitation};

pg::statements! {
    SET_CAPTAIN = "insert into gala.table
            (venue_id, show_id, name, kept, captain_name, captain_email, captain_hash)
        values ($1, $2, $3, true, $4, $5, $6)
        on conflict (venue_id, show_id, name) do update
        set kept = true, captain_name = $4, captain_email = $5, captain_hash = $6";
    CLEAR_CAPTAIN = "update gala.table
        set kept = false, captain_name = null, captain_email = null, captain_hash = null
        where venue_id = $1 and show_id = $2 and name = $3";
    OPEN_TO_ALL = "update gala.table set kept = false
        where venue_id = $1 and show_id = $2 and name = $3";
    FIND_CAPTAIN = "select name, captain_name, kept from gala.table
        where venue_id = $1 and show_id = $2 and captain_hash = $3";
    // Its places are counted one party after the other.
    LOCK_INVITATION = "select id, email, seats, used, withdrawn from gala.invitation
        where venue_id = $1 and show_id = $2 and code_hash = $3 and table_name = $4
          and not withdrawn for update";
    USE_INVITATION = "update gala.invitation set used = used + $3
        where venue_id = $1 and id = $2";
    INSERT_INVITATION = "insert into gala.invitation
            (venue_id, id, show_id, table_name, code_hash, email, seats, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    LIST_INVITATIONS = "select id, email, seats, used, withdrawn from gala.invitation
        where venue_id = $1 and show_id = $2 and table_name = $3 order by id";
    // What is still promised: how many invitations, and how many places they have left.
    PROMISED = "select count(*)::bigint as invitations,
            coalesce(sum(seats - used), 0)::bigint as places
        from gala.invitation
        where venue_id = $1 and show_id = $2 and table_name = $3 and not withdrawn";
    WITHDRAW_INVITATIONS = "update gala.invitation set withdrawn = true
        where venue_id = $1 and show_id = $2 and table_name = $3
          and ($4::uuid is null or id = $4)";
}

fn captain(row: &Row) -> Result<Captain, DbError> {
    let (table, name, kept) = (row.col("name")?, row.col("captain_name")?, row.col("kept")?);
    Ok(Captain { table, name, kept })
}

fn invitation(row: &Row) -> Result<Invitation, DbError> {
    Ok(Invitation {
        id: row.col("id")?,
        code: None,
        email: row.col("email")?,
        seats: row.col("seats")?,
        used: row.col("used")?,
        withdrawn: row.col("withdrawn")?,
    })
}

pub(crate) async fn find_captain(
    q: &mut Reader,
    show: ShowId,
    hash: &[u8],
) -> Result<Option<Captain>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_CAPTAIN, &[&venue, &show, &hash]).await?.first().map(captain).transpose()
}

pub(crate) async fn look_at_captain(
    tx: &mut Tx,
    show: ShowId,
    hash: &[u8],
) -> Result<Option<Captain>, DbError> {
    let venue = tx.venue()?;
    tx.query(FIND_CAPTAIN, &[&venue, &show, &hash]).await?.first().map(captain).transpose()
}

/// Who a new captain is.
pub(crate) struct NewCaptain {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) token_hash: Vec<u8>,
}

pub(crate) fn set_captain(
    tx: &mut Tx,
    show: ShowId,
    table: &str,
    new: NewCaptain,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, table.to_owned(), new.name, new.email, new.token_hash];
    tx.change(SET_CAPTAIN, row);
    Ok(())
}

/// The table has no captain any more, and what they have promised does not count.
pub(crate) fn clear_captain(tx: &mut Tx, show: ShowId, table: &str) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, table.to_owned()];
    tx.change(CLEAR_CAPTAIN, row);
    withdraw(tx, show, table, None)
}

pub(crate) fn open_to_all(tx: &mut Tx, show: ShowId, table: &str) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, table.to_owned()];
    tx.change(OPEN_TO_ALL, row);
    Ok(())
}

pub(crate) async fn lock_invitation(
    tx: &mut Tx,
    show: ShowId,
    code_hash: &[u8],
    table: &str,
) -> Result<Option<Invitation>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_INVITATION, &[&venue, &show, &code_hash, &table]).await?;
    rows.first().map(invitation).transpose()
}

pub(crate) fn use_invitation(tx: &mut Tx, id: InvitationId, seats: i32) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, seats];
    tx.change(USE_INVITATION, row);
    Ok(())
}

pub(crate) fn insert_invitation(
    tx: &mut Tx,
    (show, table): (ShowId, &str),
    new: &Invitation,
    code_hash: Vec<u8>,
    now: Timestamp,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        show,
        table.to_owned(),
        code_hash,
        new.email.clone(),
        new.seats,
        now,
    ];
    tx.change(INSERT_INVITATION, row);
    Ok(())
}

pub(crate) async fn list_invitations(
    q: &mut Reader,
    show: ShowId,
    table: &str,
) -> Result<Vec<Invitation>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_INVITATIONS, &[&venue, &show, &table]).await?.iter().map(invitation).collect()
}

/// Invitations of a table that count, and the places that they still promise.
pub(crate) async fn count_promised(
    tx: &mut Tx,
    show: ShowId,
    table: &str,
) -> Result<(i64, i64), DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(PROMISED, &[&venue, &show, &table]).await?;
    let Some(row) = rows.first() else { return Ok((0, 0)) };
    Ok((row.col("invitations")?, row.col("places")?))
}

/// Takes one invitation back, or all of a table.
pub(crate) fn withdraw(
    tx: &mut Tx,
    show: ShowId,
    table: &str,
    one: Option<InvitationId>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, table.to_owned(), one];
    tx.change(WITHDRAW_INVITATIONS, row);
    Ok(())
}
