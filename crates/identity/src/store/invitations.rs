//! Invitations to a venue.

use jiff::Timestamp;
use kernel::ids::{InvitationId, VenueId};
use kernel::role::Role;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::mailed_link::Kept;
use crate::model::{Email, Invitation};

pg::statements! {
    INSERT_INVITATION = "insert into identity.invitation
            (venue_id, id, email, role, secret_hash, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    // Whoever invites takes the open ones of the venue: two invitations of one address never stand
    // side by side, and the bound is a bound.
    LOCK_OPEN = "select id, email, role, created_at, expires_at from identity.invitation
        where venue_id = $1 and state = 'open' order by id for update";
    LOCK_INVITATION = "select id, email, role, created_at, expires_at, secret_hash, tries,
            state = 'open' as open
        from identity.invitation where venue_id = $1 and id = $2 for update";
    LIST_INVITATIONS = "select id, email, role, created_at, expires_at from identity.invitation
        where venue_id = $1 and state = 'open' and id > $2 order by id limit $3";
    COUNT_TRY = "update identity.invitation set tries = tries + 1 where venue_id = $1 and id = $2";
    SETTLE_INVITATION = "update identity.invitation set state = $3
        where venue_id = $1 and id = $2 and state = 'open'";
    FIND_VENUE_NAME = "select name from identity.venue where venue_id = $1";
    FORGET_INVITATIONS = "delete from identity.invitation
        where expires_at < now() - interval '30 days'";
}

fn invitation(row: &Row) -> Result<Invitation, DbError> {
    Ok(Invitation {
        id: row.col("id")?,
        email: row.col("email")?,
        // The table allows only known names; one of a newer version may do least here.
        role: Role::from_name(row.col("role")?).unwrap_or(Role::Monitor),
        created_at: row.col("created_at")?,
        expires_at: row.col("expires_at")?,
    })
}

/// The open invitations of the venue, those that are too old included, and the venue's name.
pub(crate) async fn lock_open(tx: &mut Tx) -> Result<(Vec<Invitation>, String), DbError> {
    let venue = tx.venue()?;
    let [rows, names] = tx
        .pipeline([Query::new(LOCK_OPEN, &[&venue]), Query::new(FIND_VENUE_NAME, &[&venue])])
        .await?;
    let open: Result<_, _> = rows.iter().map(invitation).collect();
    let name = names.first().map_or(Ok(String::new()), |row| row.col("name"));
    Ok((open?, name?))
}

pub(crate) async fn lock_invitation(
    tx: &mut Tx,
    id: InvitationId,
) -> Result<Option<(Invitation, Kept)>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_INVITATION, &[&venue, &id]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let kept = Kept {
        secret_hash: row.col("secret_hash")?,
        expires_at: row.col("expires_at")?,
        open: row.col("open")?,
        tries: row.col("tries")?,
    };
    Ok(Some((invitation(row)?, kept)))
}

pub(crate) async fn list_invitations(
    q: &mut Reader,
    (limit, after): (i64, Uuid),
) -> Result<Vec<Invitation>, DbError> {
    let (venue, more) = (q.venue()?, limit + 1);
    q.query(LIST_INVITATIONS, &[&venue, &after, &more]).await?.iter().map(invitation).collect()
}

pub(crate) fn insert_invitation(
    tx: &mut Tx,
    venue: VenueId,
    invitation: &Invitation,
    (email, secret_hash): (&Email, Vec<u8>),
) {
    let Invitation { id, role, created_at, expires_at, .. } = *invitation;
    let email = email.as_str().to_owned();
    let role = role.as_str();
    let params = params![venue, id, email, role, secret_hash, created_at, expires_at];
    tx.change(INSERT_INVITATION, params);
}

pub(crate) fn count_try(tx: &mut Tx, venue: VenueId, id: InvitationId) {
    tx.change(COUNT_TRY, params![venue, id]);
}

pub(crate) fn settle_invitation(
    tx: &mut Tx,
    venue: VenueId,
    id: InvitationId,
    state: &'static str,
) {
    tx.change(SETTLE_INVITATION, params![venue, id, state]);
}

pub(crate) fn forget_invitations(tx: &mut Tx) {
    tx.change(FORGET_INVITATIONS, params![]);
}

/// When a new one was made for `email`, if it is among `open`.
pub(crate) fn of_address<'a>(open: &'a [Invitation], email: &Email) -> Option<&'a Invitation> {
    open.iter().find(|one| one.email == email.as_str())
}

/// How many of `open` still count.
pub(crate) fn count_live(open: &[Invitation], now: Timestamp) -> usize {
    open.iter().filter(|one| one.expires_at > now).count()
}
