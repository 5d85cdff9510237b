//! Venues and their members.

use kernel::ids::{MemberId, UserId, VenueId};
use kernel::money::Currency;
use kernel::role::Role;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::{Member, Venue};

pg::statements! {
    // A venue that is made belongs to no scope yet: the row-level walls are moved to it for the
    // statements that make it, and back, because the key row of the write stands outside.
    ENTER_VENUE = "select set_config('app.venue_id', $1, true)";
    INSERT_VENUE = "insert into identity.venue (venue_id, name, time_zone, currency, created_at)
        values ($1, $2, $3, $4, $5)";
    FIND_VENUE = "select venue_id, name, time_zone, currency::text, version, created_at
        from identity.venue where venue_id = $1";
    // Whoever changes a venue takes its row: two owners never overwrite each other unseen.
    LOCK_VENUE = "select venue_id, name, time_zone, currency::text, version, created_at
        from identity.venue where venue_id = $1 for update";
    UPDATE_VENUE = "update identity.venue set name = $2, time_zone = $3, currency = $4, version = $5
        where venue_id = $1";
    LIST_VENUES = "select v.venue_id, v.name, v.time_zone, v.currency::text, v.version, v.created_at
        from identity.venue v join identity.member m on m.venue_id = v.venue_id
        where m.user_id = $1 and m.active and v.venue_id > $2 order by v.venue_id limit $3";
    FIND_OWNED = "select v.venue_id, v.name, v.time_zone, v.currency::text, v.version, v.created_at
        from identity.venue v join identity.member m on m.venue_id = v.venue_id
        where m.user_id = $1 and m.active and m.role = 'owner' and v.name = $2
        order by v.venue_id limit 1";
    INSERT_MEMBER = "insert into identity.member (venue_id, id, user_id, role, created_at)
        values ($1, $2, $3, $4, $5)";
    UPDATE_MEMBER = "update identity.member set role = $3, active = $4, version = $5
        where venue_id = $1 and id = $2";
    LIST_MEMBERS = "select m.id, m.user_id, u.name, u.email, m.role, m.active, m.version, m.created_at
        from identity.member m join identity.user u on u.id = m.user_id
        where m.venue_id = $1 and m.active and m.id > $2 order by m.id limit $3";
    // Owners and whoever acts, before anything else and in the order of their ids: of two owners
    // who take the role from each other the second sees what the first has done, and whoever lost
    // a role while waiting here has lost it.
    LOCK_DECIDERS = "select id, user_id, role from identity.member
        where venue_id = $1 and active and (role = 'owner' or user_id = $2) order by id for update";
    // Stands after the lock of the owners: a user who was deactivated while it waited does not count.
    LIST_ABLE_OWNERS = "select m.id, m.user_id from identity.member m
        join identity.user u on u.id = m.user_id
        where m.venue_id = $1 and m.active and m.role = 'owner' and u.active";
    LOCK_MEMBER = "select m.id, m.user_id, u.name, u.email, m.role, m.active, m.version, m.created_at
        from identity.member m join identity.user u on u.id = m.user_id
        where m.venue_id = $1 and m.id = $2 for update of m";
    LOCK_MEMBER_BY_USER = "select m.id, m.user_id, u.name, u.email, m.role, m.active, m.version,
            m.created_at
        from identity.member m join identity.user u on u.id = m.user_id
        where m.venue_id = $1 and m.user_id = $2 for update of m";
}

/// Who may decide about members: the owners, and the role of whoever acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deciders {
    /// The venue's owners who can sign in.
    pub(crate) owners: Vec<MemberId>,
    /// The role of whoever acts; nothing when it was taken away meanwhile.
    pub(crate) own_role: Option<Role>,
}

fn role(row: &Row) -> Result<Role, DbError> {
    // The table allows only known names; one of a newer version may do least here.
    Ok(Role::from_name(row.col("role")?).unwrap_or(Role::Monitor))
}

fn venue(row: &Row) -> Result<Venue, DbError> {
    let currency: &str = row.col("currency")?;
    Ok(Venue {
        id: row.col("venue_id")?,
        name: row.col("name")?,
        time_zone: row.col("time_zone")?,
        // The table's check allows nothing else.
        currency: currency.parse::<Currency>().map_err(|_| DbError::Forbidden)?,
        version: row.col("version")?,
        created_at: row.col("created_at")?,
    })
}

fn member(row: &Row) -> Result<Member, DbError> {
    Ok(Member {
        id: row.col("id")?,
        user_id: row.col("user_id")?,
        name: row.col("name")?,
        email: row.col("email")?,
        role: role(row)?,
        active: row.col("active")?,
        version: row.col("version")?,
        created_at: row.col("created_at")?,
    })
}

fn deciders(rows: &[Row], able: &[Row], actor: Option<UserId>) -> Result<Deciders, DbError> {
    let owners: Result<_, _> = able.iter().map(|row| row.col("id")).collect();
    let mut deciders = Deciders { owners: owners?, own_role: None };
    for row in rows {
        let role = role(row)?;
        if Some(row.col("user_id")?) == actor {
            deciders.own_role = Some(role);
        }
    }
    Ok(deciders)
}

/// Makes a venue with its first owner, in a transaction that has no venue.
pub(crate) async fn insert_venue(
    tx: &mut Tx,
    venue: &Venue,
    owner: (MemberId, UserId),
) -> Result<(), DbError> {
    let Venue { id, name, time_zone, currency, created_at, .. } = venue;
    let (member, user) = owner;
    tx.execute(ENTER_VENUE, &[&id.to_string()]).await?;
    let currency = currency.as_str();
    let _ = tx
        .pipeline([
            Query::new(INSERT_VENUE, &[id, name, time_zone, &currency, created_at]),
            Query::new(INSERT_MEMBER, &[id, &member, &user, &Role::Owner.as_str(), created_at]),
        ])
        .await?;
    tx.open_log(*id).await?;
    tx.change(ENTER_VENUE, params![Uuid::nil().to_string()]);
    Ok(())
}

pub(crate) async fn find_venue(q: &mut Reader) -> Result<Option<Venue>, DbError> {
    let id = q.venue()?;
    q.query(FIND_VENUE, &[&id]).await?.first().map(venue).transpose()
}

pub(crate) async fn lock_venue(tx: &mut Tx) -> Result<Option<Venue>, DbError> {
    let id = tx.venue()?;
    tx.query(LOCK_VENUE, &[&id]).await?.first().map(venue).transpose()
}

pub(crate) fn update_venue(tx: &mut Tx, venue: &Venue) {
    let Venue { id, name, time_zone, currency, version, .. } = venue.clone();
    let currency = currency.as_str().to_owned();
    tx.change(UPDATE_VENUE, params![id, name, time_zone, currency, version]);
}

pub(crate) async fn list_venues(
    q: &mut Reader,
    user: UserId,
    (limit, after): (i64, Uuid),
) -> Result<Vec<Venue>, DbError> {
    let more = limit + 1;
    q.query(LIST_VENUES, &[&user, &after, &more]).await?.iter().map(venue).collect()
}

/// The first venue of that name that the user owns.
pub(crate) async fn find_owned(
    q: &mut Reader,
    user: UserId,
    name: &str,
) -> Result<Option<VenueId>, DbError> {
    let rows = q.query(FIND_OWNED, &[&user, &name]).await?;
    rows.first().map(|row| row.col("venue_id")).transpose()
}

pub(crate) async fn list_members(
    q: &mut Reader,
    (limit, after): (i64, Uuid),
) -> Result<Vec<Member>, DbError> {
    let (id, more) = (q.venue()?, limit + 1);
    q.query(LIST_MEMBERS, &[&id, &after, &more]).await?.iter().map(member).collect()
}

/// The deciders alone.
pub(crate) async fn lock_deciders(tx: &mut Tx) -> Result<Deciders, DbError> {
    let (venue, actor) = (tx.venue()?, tx.scope().user);
    let [rows, able] = tx
        .pipeline([
            Query::new(LOCK_DECIDERS, &[&venue, &actor]),
            Query::new(LIST_ABLE_OWNERS, &[&venue]),
        ])
        .await?;
    deciders(&rows, &able, actor)
}

/// Whether the venue has an owner who can sign in besides `user`. Moves the row-level walls of a
/// transaction without a venue to it; `leave_venue` moves them back.
pub(crate) async fn lock_has_other_owner(
    tx: &mut Tx,
    venue: VenueId,
    user: UserId,
) -> Result<bool, DbError> {
    let [_, _, able] = tx
        .pipeline([
            Query::new(ENTER_VENUE, &[&venue.to_string()]),
            Query::new(LOCK_DECIDERS, &[&venue, &Some(user)]),
            Query::new(LIST_ABLE_OWNERS, &[&venue]),
        ])
        .await?;
    let owners: Result<Vec<UserId>, _> = able.iter().map(|row| row.col("user_id")).collect();
    Ok(owners?.iter().any(|owner| *owner != user))
}

/// The end of a walk through venues.
pub(crate) async fn leave_venue(tx: &mut Tx) -> Result<(), DbError> {
    tx.query(ENTER_VENUE, &[&Uuid::nil().to_string()]).await.map(drop)
}

/// The deciders, and the member `id` behind them.
pub(crate) async fn lock_member(
    tx: &mut Tx,
    id: MemberId,
) -> Result<(Deciders, Option<Member>), DbError> {
    let (venue, actor) = (tx.venue()?, tx.scope().user);
    let [first, able, second] = tx
        .pipeline([
            Query::new(LOCK_DECIDERS, &[&venue, &actor]),
            Query::new(LIST_ABLE_OWNERS, &[&venue]),
            Query::new(LOCK_MEMBER, &[&venue, &id]),
        ])
        .await?;
    Ok((deciders(&first, &able, actor)?, second.first().map(member).transpose()?))
}

/// The deciders, and the place that `user` has or had behind them.
pub(crate) async fn lock_member_of(
    tx: &mut Tx,
    user: UserId,
) -> Result<(Deciders, Option<Member>), DbError> {
    let (venue, actor) = (tx.venue()?, tx.scope().user);
    let [first, able, second] = tx
        .pipeline([
            Query::new(LOCK_DECIDERS, &[&venue, &actor]),
            Query::new(LIST_ABLE_OWNERS, &[&venue]),
            Query::new(LOCK_MEMBER_BY_USER, &[&venue, &user]),
        ])
        .await?;
    Ok((deciders(&first, &able, actor)?, second.first().map(member).transpose()?))
}

pub(crate) fn insert_member(tx: &mut Tx, member: &Member) -> Result<(), DbError> {
    let Member { id, user_id, role, created_at, .. } = member.clone();
    let venue = tx.venue()?;
    tx.change(INSERT_MEMBER, params![venue, id, user_id, role.as_str(), created_at]);
    Ok(())
}

pub(crate) fn update_member(tx: &mut Tx, member: &Member) -> Result<(), DbError> {
    let Member { id, role, active, version, .. } = member.clone();
    let venue = tx.venue()?;
    tx.change(UPDATE_MEMBER, params![venue, id, role.as_str(), active, version]);
    Ok(())
}
