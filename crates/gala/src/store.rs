//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod attempts;
pub mod captains;
pub mod galas;
pub mod guests;
pub mod moves;
pub mod parties;
pub mod people;
pub mod tables;

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [
        attempts::ALL,
        captains::ALL,
        galas::ALL,
        guests::ALL,
        moves::ALL,
        parties::ALL,
        people::ALL,
        tables::ALL,
    ]
    .concat()
}
