//! All SQL of this slice, by what it is about. A function that locks begins with `lock_`.

pub mod bills;
pub mod drawers;
pub mod errands;
pub mod house;
pub mod invariants;
pub mod kept;
pub mod payments;
pub mod receipts;
pub mod refunds;
pub mod reports;
pub mod vouchers;

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [
        bills::ALL,
        drawers::ALL,
        errands::ALL,
        house::ALL,
        invariants::ALL,
        kept::ALL,
        payments::ALL,
        receipts::ALL,
        refunds::ALL,
        reports::ALL,
        vouchers::ALL,
    ]
    .concat()
}
