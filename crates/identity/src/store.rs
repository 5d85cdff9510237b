//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod attempts;
pub mod keys;
pub mod people;
pub mod sessions;
pub mod users;
pub mod venues;

/// A user's standing in a venue, for `pg::DbConfig::standing_sql`: `$1` venue, `$2` user. No row
/// for a user that does not exist; no role for somebody who is not, or no longer, a member.
///
/// It travels in the first packet of every write, so it is two lookups by key and nothing else.
pub const STANDING_SQL: &str = "select u.active, m.role
    from identity.user u
    left join identity.member m on m.venue_id = $1 and m.user_id = u.id and m.active
    where u.id = $2";

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    let standing: &[(&str, &str)] = &[("STANDING_SQL", STANDING_SQL)];
    [standing, attempts::ALL, keys::ALL, people::ALL, sessions::ALL, users::ALL, venues::ALL]
        .concat()
}
