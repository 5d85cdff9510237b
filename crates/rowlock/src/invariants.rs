//! The promises of all slices, computed again: `GET …/audit/invariants` and `rowlock audit
//! invariants`. Slices cannot read each other's tables; each brings its own checks.

use actix_web::{get, web};
use anyhow::bail;
use edge::{Actor, App, ReadRefusals, Rejection, can};
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Db;
use pg::check::{Check, VIOLATIONS_MAX, Violation};
use serde::Serialize;
use utoipa::ToSchema;

use crate::snapshot::VenuePath;

/// Every check of the product.
pub(crate) fn checks() -> Vec<Check> {
    [
        pg::check::CHECKS,
        booking::store::invariants::CHECKS,
        payments::store::invariants::CHECKS,
        spa::store::invariants::CHECKS,
    ]
    .concat()
}

/// Whether the promises hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invariants {
    /// Nothing is broken.
    holds: bool,
    /// Each promise, and what breaks it.
    checks: Vec<Invariant>,
}

/// A promise and what breaks it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invariant {
    /// Its name.
    #[schema(example = "payments.settled_is_paid")]
    name: &'static str,
    /// What is promised.
    #[schema(example = "A bill is settled when it is paid, once")]
    promise: &'static str,
    /// Where it is broken: at most 50 places.
    violations: Vec<Broken>,
}

/// Where a promise is broken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broken {
    /// What breaks it.
    id: String,
    /// How.
    detail: String,
}

/// Check the invariants
///
/// Computes the product's promises again from the rows, all on one snapshot, and lists what breaks
/// them. It reads whole tables: ask for it when in doubt, not every second.
#[utoipa::path(
    operation_id = "checkInvariants", tag = "audit", params(VenuePath),
    responses((status = 200, body = Invariants), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/audit/invariants")]
pub(crate) async fn get_invariants(
    actor: Actor<can::ReadAudit>,
    app: web::Data<App>,
) -> Result<web::Json<Invariants>, Rejection> {
    // Whose rows are seen the scope says.
    let found = app.db().violations(actor.scope, None, &checks()).await?;
    let checks: Vec<Invariant> = found.into_iter().map(invariant).collect();
    let holds = checks.iter().all(|check| check.violations.is_empty());
    Ok(web::Json(Invariants { holds, checks }))
}

fn invariant((check, violations): (Check, Vec<Violation>)) -> Invariant {
    let broken = |violation: Violation| Broken { id: violation.id, detail: violation.detail };
    let violations = violations.into_iter().map(broken).collect();
    Invariant { name: check.name, promise: check.promise, violations }
}

/// `rowlock audit invariants`; something broken is an error.
pub(crate) async fn run(db: &Db, venue: Option<VenueId>) -> anyhow::Result<()> {
    let found = db.violations(Scope::job(), venue, &checks()).await?;
    let (mut broken, all) = (0, found.len());
    for (check, violations) in &found {
        let more =
            if violations.len() < usize::try_from(VIOLATIONS_MAX)? { "" } else { " or more" };
        match violations.len() {
            0 => println!("holds   {}: {}", check.name, check.promise),
            count => println!("BROKEN  {}: {} ({count}{more})", check.name, check.promise),
        }
        for violation in violations {
            println!("        venue {} {}: {}", violation.venue, violation.id, violation.detail);
        }
        broken += usize::from(!violations.is_empty());
    }
    if broken > 0 {
        bail!("{broken} of {all} promises are broken");
    }
    println!("{all} promises hold");
    Ok(())
}
