//! What all changes of the doors' rules have in common: the doors are locked, the versions compared,
//! and whoever keeps rules hears of it.

use edge::answer::Versioned;
use pg::Tx;
use serde::Serialize;

use crate::rules::Rules;
use crate::store::rule_changes::{self, Rule};
use crate::store::rules;
use crate::{TicketsError, event};

/// Locks the doors that a rule belongs to; all their rules, as they are under the lock.
pub(crate) async fn lock_rule(tx: &mut Tx, rule: Rule) -> Result<Rules, TicketsError> {
    let show = rule_changes::lock_doors_of(tx, rule).await?.ok_or(absent(rule))?;
    let (known, _) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    Ok(known)
}

/// 412 with the present state unless `seen` is its version.
pub(crate) fn check_seen<T: Versioned + Serialize>(
    present: &T,
    seen: Option<i64>,
) -> Result<(), TicketsError> {
    if seen.is_some() && seen != present.version() {
        return Err(TicketsError::Stale(serde_json::value::to_raw_value(present)?));
    }
    Ok(())
}

/// Tells that one rule is another now. Triggers of the schema raise the number of the rules.
pub(crate) fn told(tx: &mut Tx, known: &Rules) -> Result<(), TicketsError> {
    let mut doors = known.doors.clone();
    doors.rules += 1;
    tx.emit(event::doors_changed(&doors)?);
    Ok(())
}

/// Deletes a rule that `check` lets go.
pub(crate) async fn delete_rule(
    tx: &mut Tx,
    rule: Rule,
    check: impl FnOnce(&Rules) -> Result<(), TicketsError>,
) -> Result<(), TicketsError> {
    let known = lock_rule(tx, rule).await?;
    check(&known)?;
    if let Rule::Type(id) = rule
        && rule_changes::has_tickets(tx, id).await?
    {
        return Err(TicketsError::InUse);
    }
    rule_changes::delete(tx, rule)?;
    told(tx, &known)
}

fn absent(rule: Rule) -> TicketsError {
    match rule {
        Rule::Type(_) => TicketsError::NoSuch("type"),
        Rule::List(_) => TicketsError::NoSuchList,
        Rule::Zone(_) => TicketsError::NoSuch("zone"),
        Rule::Question(_) => TicketsError::NoSuch("question"),
    }
}
