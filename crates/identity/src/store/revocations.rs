//! What was taken back in the last minutes, for workers that nobody tells.

use jiff::Timestamp;
use kernel::ids::{SessionId, UserId, VenueId};
use pg::{Columns, DbError, Reader, Row, Tx, params};

pg::statements! {
    NOTE_SESSIONS = "insert into identity.revocation (at, session_id)
        select $1, s from unnest($2::uuid[]) s";
    NOTE_MEMBERSHIP = "insert into identity.revocation (at, user_id, in_venue)
        values ($1, $2, $3)";
    NOTE_FORGOTTEN = "insert into identity.revocation (at, forget_in, forget_until)
        select $1, f.venue, f.until from unnest($2::uuid[], $3::bigint[]) as f(venue, until)";
    NOTE_KEYS = "insert into identity.revocation (at, all_keys) values ($1, true)";
    LIST_REVOCATIONS = "select id, at, session_id, user_id, in_venue, forget_in, forget_until
        from identity.revocation
        where at > $1 order by at limit $2";
    FORGET_REVOCATIONS = "delete from identity.revocation where at < now() - interval '1 hour'";
}

/// Something that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Session(SessionId),
    Role(UserId, VenueId),
    Events(VenueId, i64),
    Keys,
}

/// With its number and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) what: Taken,
}

fn revocation(row: &Row) -> Result<Revocation, DbError> {
    let session: Option<SessionId> = row.col("session_id")?;
    let (user, venue): (Option<UserId>, Option<VenueId>) =
        (row.col("user_id")?, row.col("in_venue")?);
    let (forget_in, until): (Option<VenueId>, Option<i64>) =
        (row.col("forget_in")?, row.col("forget_until")?);
    let what = match (session, user.zip(venue), forget_in.zip(until)) {
        (Some(session), ..) => Taken::Session(session),
        (None, Some((user, venue)), _) => Taken::Role(user, venue),
        (None, None, Some((venue, until))) => Taken::Events(venue, until),
        (None, None, None) => Taken::Keys,
    };
    Ok(Revocation { id: row.col("id")?, at: row.col("at")?, what })
}

pub(crate) fn note_sessions(tx: &mut Tx, sessions: Vec<SessionId>) {
    let now = tx.now();
    tx.change(NOTE_SESSIONS, params![now, sessions]);
}

pub(crate) fn note_membership(tx: &mut Tx, user: UserId, venue: VenueId) {
    let now = tx.now();
    tx.change(NOTE_MEMBERSHIP, params![now, user, venue]);
}

pub(crate) fn note_forgotten(tx: &mut Tx, heads: &[(VenueId, i64)]) {
    let now = tx.now();
    let (venues, until): (Vec<VenueId>, Vec<i64>) = heads.iter().copied().unzip();
    tx.change(NOTE_FORGOTTEN, params![now, venues, until]);
}

pub(crate) fn note_keys(tx: &mut Tx) {
    let now = tx.now();
    tx.change(NOTE_KEYS, params![now]);
}

pub(crate) async fn list_revocations(
    q: &mut Reader,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Revocation>, DbError> {
    q.query(LIST_REVOCATIONS, &[&since, &limit]).await?.iter().map(revocation).collect()
}

pub(crate) fn forget_revocations(tx: &mut Tx) {
    tx.change(FORGET_REVOCATIONS, params![]);
}
