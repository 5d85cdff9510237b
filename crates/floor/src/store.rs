//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod figures;
pub mod floor;
pub mod guests;
pub mod keyframes;
pub mod layouts;
pub mod levels;
pub mod line;
pub mod people;
pub mod reservations;
pub mod tables;

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [
        floor::ALL,
        levels::ALL,
        tables::ALL,
        guests::ALL,
        people::ALL,
        reservations::ALL,
        layouts::ALL,
        figures::ALL,
        line::ALL,
        keyframes::ALL,
    ]
    .concat()
}
