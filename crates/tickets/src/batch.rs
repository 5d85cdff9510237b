//! A batch of scans from a scanner that had no network: what it says, and what it is told.

use edge::Input;
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::{BATCH_MAX_BYTES, SCANS_PER_BATCH_MAX};
use jiff::Timestamp;
use kernel::ids::{DeviceId, ListId, ShowId, TicketId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::judge::Given;
use crate::model::{Kind, Reason, Verdict};
use crate::scan::ScanAnswer;

/// A scan that was made without a network.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfflineScan {
    /// The scanner's own name for it: stored before anything else, sent again as often as needed.
    pub nonce: Uuid,
    /// What the QR code says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 1000)]
    pub code: Option<String>,
    /// Instead of the code, from those who supervise: another house's log has no codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ticket: Option<TicketId>,
    /// The list.
    pub list: ListId,
    /// Which way; `entry`, unless given.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub kind: Option<Kind>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 60)]
    pub gate: Option<String>,
    /// When, by the scanner's clock.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub scanned_at: Timestamp,
    /// What the scanner did.
    pub verdict: Verdict,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<Reason>,
    /// The answers to its questions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub answers: Vec<Given>,
    /// Which device has scanned, if it is not the one that sends: from those who supervise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device: Option<DeviceId>,
    /// Who has scanned, if it is not the one that sends: from those who supervise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<UserId>,
}

/// Scans that were made without a network.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanBatch {
    /// The show.
    pub show: ShowId,
    /// The scanner's clock at the moment of sending: its error is taken out of `scannedAt`. Absent
    /// where the clock is right.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub sent_at: Option<Timestamp>,
    /// `lease` of the bundle that was used: no scan is older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 1000)]
    pub lease: Option<String>,
    /// 1 to 1,000 of them, in any order.
    #[schema(min_items = 1, max_items = 1000)]
    pub scans: Vec<OfflineScan>,
}

impl Input for ScanBatch {
    const MAX_BYTES: usize = BATCH_MAX_BYTES;

    fn check(&self, errors: &mut Errors) {
        let many = (1..=SCANS_PER_BATCH_MAX).contains(&self.scans.len());
        errors.require(many, "/scans", "length", "Send 1 to 1000 scans at once.");
        for (n, scan) in self.scans.iter().enumerate() {
            let one = scan.code.is_some() != scan.ticket.is_some();
            let detail = "Give the code or the ticket.";
            errors.require(one, format!("/scans/{n}"), "either", detail);
            if let Some(gate) = &scan.gate {
                errors.text(gate, &format!("/scans/{n}/gate"), (1, 60));
            }
            let long = scan.code.as_ref().is_some_and(|code| code.len() > 1000);
            let pointer = format!("/scans/{n}/code");
            errors.require(!long, pointer, "length", "Give 1000 characters at most.");
        }
    }
}

/// The verdicts on a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// One per scan, in the order of the batch.
    pub results: Vec<ScanAnswer>,
}

impl Versioned for BatchAnswer {}
