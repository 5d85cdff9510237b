//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod attempts;
pub mod devices;
pub mod invitations;
pub mod keys;
pub mod oidc;
pub mod people;
pub mod resets;
pub mod revocations;
pub mod sessions;
pub mod setup;
pub mod users;
pub mod venues;

/// A user's standing in a venue, for `pg::DbConfig::standing_sql`: `$1` venue, `$2` user, `$3` the
/// device that acts for them, if one does. No row for a user that does not exist; no role for
/// somebody who is not, or no longer, a member. A device counts while it is approved, and while
/// whoever vouched for it is a manager at least.
///
/// It travels in the first packet of every write, so it is lookups by key and nothing else.
pub const STANDING_SQL: &str =
    "select u.active and ($3::uuid is null or d.id is not null) as active,
        m.role, d.profile
    from identity.user u
    left join identity.member m on m.venue_id = $1 and m.user_id = u.id and m.active
    left join identity.device d on d.venue_id = $1 and d.id = $3 and d.vouched_by = u.id
        and d.status = 'approved' and m.role in ('owner', 'manager')
    where u.id = $2";

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    let standing: &[(&str, &str)] = &[("STANDING_SQL", STANDING_SQL)];
    [
        standing,
        attempts::ALL,
        devices::ALL,
        invitations::ALL,
        keys::ALL,
        oidc::ALL,
        people::ALL,
        resets::ALL,
        revocations::ALL,
        sessions::ALL,
        setup::ALL,
        users::ALL,
        venues::ALL,
    ]
    .concat()
}
