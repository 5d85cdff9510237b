//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`, one that
//! takes the next of a line with `claim_`.

pub mod catalogue;
pub mod claims;
pub mod invariants;
pub mod kept;
pub mod ledger;
pub mod lines;
pub mod orders;
pub mod outlook;
pub mod people;
pub mod rooms;

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [
        catalogue::ALL,
        claims::ALL,
        invariants::ALL,
        kept::ALL,
        ledger::ALL,
        lines::ALL,
        orders::ALL,
        outlook::ALL,
        people::ALL,
        rooms::ALL,
    ]
    .concat()
}
