//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod alerts;
pub mod changes;
pub mod doors;
pub mod figures;
pub mod holders;
pub mod mails;
pub mod offline;
pub mod people;
pub mod rule_changes;
pub mod rules;
pub mod scans;
pub mod tickets;

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [
        alerts::ALL,
        changes::ALL,
        doors::ALL,
        figures::ALL,
        holders::ALL,
        mails::ALL,
        offline::ALL,
        people::ALL,
        rule_changes::ALL,
        rules::ALL,
        scans::ALL,
        tickets::ALL,
    ]
    .concat()
}
