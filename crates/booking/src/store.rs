//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod allocations;
pub mod bookings;
pub mod bundles;
pub mod figures;
pub mod free;
pub mod holds;
pub mod invariants;
pub mod layout;
pub mod lines;
pub mod paying;
pub mod people;
pub mod requests;
pub mod seats;
pub mod shows;
pub mod snapshot;
pub mod tables;
pub mod waiting;
pub mod withheld;

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [
        shows::ALL,
        layout::ALL,
        lines::ALL,
        requests::ALL,
        seats::ALL,
        withheld::ALL,
        waiting::ALL,
        allocations::ALL,
        free::ALL,
        holds::ALL,
        invariants::ALL,
        bookings::ALL,
        bundles::ALL,
        figures::ALL,
        paying::ALL,
        people::ALL,
        snapshot::ALL,
        tables::ALL,
    ]
    .concat()
}
