//! What is kept of a person, to be given to them or erased.

use jiff::Timestamp;
use kernel::ids::{SessionId, UserId, VenueId};
use pg::{Columns, DbError, Query, Reader, Tx, params};
use uuid::Uuid;

use super::oidc;
use crate::export_person::{InvitationKept, SessionKept};

pg::statements! {
    LOCK_PERSON = "select email from identity.user where id = $1 for update";
    // The owners of all venues that the person owns, in one order for everybody.
    LOCK_CO_OWNERS = "select venue_id, user_id from identity.member
        where active and role = 'owner' and venue_id in (
            select m.venue_id from identity.member m
            where m.user_id = $1 and m.active and m.role = 'owner')
        order by venue_id, id for update";
    ERASE_USER = "update identity.user set name = 'Erased', password_hash = null, active = false,
            email = 'erased-' || id || '@erased.invalid' where id = $1";
    ERASE_MEMBER = "update identity.member set active = false, version = version + 1
        where user_id = $1 returning id";
    ERASE_SESSIONS = "update identity.session set agent = null, ended_at = coalesce(ended_at, $2)
        where user_id = $1 returning id";
    // Answered or not: whom they were mailed to is told by nothing else.
    ERASE_INVITATIONS = "update identity.invitation
        set email = 'erased-' || id || '@erased.invalid',
            state = case state when 'open' then 'withdrawn' else state end
        where email = $1 returning id";
    ERASE_RESETS = "delete from identity.reset where user_id = $1";
    LIST_INVITATIONS_KEPT = "select i.id, v.name as venue_name, i.role, i.state, i.created_at
        from identity.invitation i join identity.venue v on v.venue_id = i.venue_id
        where i.email = $1 order by i.id";
    LIST_SESSIONS_KEPT = "select id, created_at, seen_at, ended_at, agent from identity.session
        where user_id = $1 order by id";
    // Only for those who run the server, in a job's scope.
    LIST_ALL_VENUES = "select venue_id, name from identity.venue order by venue_id";
    FIND_BY_EMAIL = "select id from identity.user where email = $1";
}

/// Locks the person; gives their address and the venues that nobody else owns.
pub(crate) async fn lock_person(
    tx: &mut Tx,
    user: UserId,
) -> Result<Option<(String, Vec<VenueId>)>, DbError> {
    let [found, owners] = tx
        .pipeline([Query::new(LOCK_PERSON, &[&user]), Query::new(LOCK_CO_OWNERS, &[&user])])
        .await?;
    let Some(found) = found.first() else { return Ok(None) };
    let (mut alone, mut shared) = (Vec::new(), Vec::new());
    for row in &owners {
        let venue: VenueId = row.col("venue_id")?;
        if row.col::<UserId>("user_id")? == user { alone.push(venue) } else { shared.push(venue) }
    }
    alone.retain(|venue| !shared.contains(venue));
    Ok(Some((found.col("email")?, alone)))
}

/// Takes name, address and password away; gives the ids of what told of the person.
pub(crate) async fn erase(
    tx: &mut Tx,
    (user, email): (UserId, &str),
    now: Timestamp,
) -> Result<Vec<Uuid>, DbError> {
    tx.execute(ERASE_USER, &[&user]).await?;
    let members = tx.execute(ERASE_MEMBER, &[&user]).await?;
    let sessions = tx.execute(ERASE_SESSIONS, &[&user, &now]).await?;
    let invitations = tx.execute(ERASE_INVITATIONS, &[&email]).await?;
    tx.change(ERASE_RESETS, params![user]);
    oidc::erase_logins(tx, user);
    members.iter().chain(&sessions).chain(&invitations).map(|row| row.col("id")).collect()
}

pub(crate) async fn list_sessions(
    q: &mut Reader,
    user: UserId,
) -> Result<Vec<SessionKept>, DbError> {
    let rows = q.query(LIST_SESSIONS_KEPT, &[&user]).await?;
    rows.iter()
        .map(|row| {
            Ok(SessionKept {
                id: row.col::<SessionId>("id")?,
                created_at: row.col("created_at")?,
                seen_at: row.col("seen_at")?,
                ended: row.col::<Option<Timestamp>>("ended_at")?.is_some(),
                agent: row.col("agent")?,
            })
        })
        .collect()
}

/// Invitations to this address. Only in a job's scope: they are in many venues.
pub(crate) async fn list_invitations(
    q: &mut Reader,
    email: &str,
) -> Result<Vec<InvitationKept>, DbError> {
    let rows = q.query(LIST_INVITATIONS_KEPT, &[&email]).await?;
    rows.iter()
        .map(|row| {
            Ok(InvitationKept {
                id: row.col("id")?,
                venue_name: row.col("venue_name")?,
                role: row.col("role")?,
                state: row.col("state")?,
                created_at: row.col("created_at")?,
            })
        })
        .collect()
}

pub(crate) async fn list_all_venues(q: &mut Reader) -> Result<Vec<(VenueId, String)>, DbError> {
    let rows = q.query(LIST_ALL_VENUES, &[]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("name")?))).collect()
}

pub(crate) async fn find_by_email(q: &mut Reader, email: &str) -> Result<Option<UserId>, DbError> {
    q.query(FIND_BY_EMAIL, &[&email]).await?.first().map(|row| row.col("id")).transpose()
}
