//! How a venue's spa works: leases, turns, bounds. Pure.

use edge::Input;
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::LINE_MAX;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the spa works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpaRules {
    /// For how long, in seconds, the first of the rotation who is ready has a customer alone; then
    /// the second may take them too, and so on. 0: whoever asks first.
    #[schema(minimum = 0, maximum = 600)]
    pub turn_secs: i32,
    /// How long a therapist's claim lasts without a heartbeat, in seconds.
    #[schema(minimum = 2, maximum = 900)]
    pub claim_lease_secs: i32,
    /// How long a therapist has a customer at most before the treatment begins, in minutes.
    #[schema(minimum = 1, maximum = 120)]
    pub claim_minutes: i32,
    /// How far a treatment may run over before somebody must be heard of, in minutes.
    #[schema(minimum = 1, maximum = 240)]
    pub service_grace_minutes: i32,
    /// How long a cashier's claim lasts without a heartbeat, in seconds.
    #[schema(minimum = 2, maximum = 900)]
    pub payment_lease_secs: i32,
    /// How long a cashier has a customer at most, in minutes.
    #[schema(minimum = 1, maximum = 120)]
    pub payment_claim_minutes: i32,
    /// How long a payment is expected to take, in minutes: for quotes.
    #[schema(minimum = 1, maximum = 30)]
    pub payment_minutes: i32,
    /// How long the start of a treatment can be undone, in seconds.
    #[schema(minimum = 0, maximum = 1800)]
    pub undo_secs: i32,
    /// How long after the call a customer may still come, in seconds.
    #[schema(minimum = 0, maximum = 3600)]
    pub no_show_secs: i32,
    /// How many orders may wait for a therapist.
    #[schema(minimum = 1, maximum = 200_000)]
    pub line_max: i32,
}

impl Default for SpaRules {
    fn default() -> Self {
        Self {
            turn_secs: 15,
            claim_lease_secs: 120,
            claim_minutes: 20,
            service_grace_minutes: 15,
            payment_lease_secs: 120,
            payment_claim_minutes: 30,
            payment_minutes: 3,
            undo_secs: 300,
            no_show_secs: 60,
            line_max: 1000,
        }
    }
}

impl SpaRules {
    pub(crate) fn claim_lease(&self) -> SignedDuration {
        SignedDuration::from_secs(self.claim_lease_secs.into())
    }

    pub(crate) fn payment_lease(&self) -> SignedDuration {
        SignedDuration::from_secs(self.payment_lease_secs.into())
    }

    pub(crate) fn claim_max(&self) -> SignedDuration {
        SignedDuration::from_mins(self.claim_minutes.into())
    }

    pub(crate) fn payment_claim_max(&self) -> SignedDuration {
        SignedDuration::from_mins(self.payment_claim_minutes.into())
    }

    pub(crate) fn service_grace(&self) -> SignedDuration {
        SignedDuration::from_mins(self.service_grace_minutes.into())
    }
}

impl Input for SpaRules {
    fn check(&self, errors: &mut Errors) {
        let bounds = [
            ("/turnSecs", self.turn_secs, 0, 600),
            ("/claimLeaseSecs", self.claim_lease_secs, 2, 900),
            ("/claimMinutes", self.claim_minutes, 1, 120),
            ("/serviceGraceMinutes", self.service_grace_minutes, 1, 240),
            ("/paymentLeaseSecs", self.payment_lease_secs, 2, 900),
            ("/paymentClaimMinutes", self.payment_claim_minutes, 1, 120),
            ("/paymentMinutes", self.payment_minutes, 1, 30),
            ("/undoSecs", self.undo_secs, 0, 1800),
            ("/noShowSecs", self.no_show_secs, 0, 3600),
            ("/lineMax", self.line_max, 1, LINE_MAX),
        ];
        for (pointer, value, min, max) in bounds {
            let good = (min..=max).contains(&value);
            errors.require(good, pointer, "range", format!("Give {min} to {max}."));
        }
    }
}

/// How the spa works, with its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpaSettings {
    /// The rules.
    pub rules: SpaRules,
    /// Rises with every change; 0 as long as nobody has changed anything.
    pub version: i64,
}

impl Versioned for SpaSettings {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_keep_their_own_bounds_and_others_are_named() {
        let mut errors = Errors::default();
        SpaRules::default().check(&mut errors);
        assert!(errors.is_empty());
        SpaRules { claim_lease_secs: 1, line_max: 0, ..SpaRules::default() }.check(&mut errors);
        let wrong: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(wrong, ["/claimLeaseSecs", "/lineMax"]);
    }
}
