//! A scan: one attempt, kept for ever with its verdict, and what the door is told of it.

use std::net::IpAddr;

use edge::answer::Versioned;
use jiff::Timestamp;
use kernel::ids::{DeviceId, ListId, ShowId, TicketId, UserId, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::judge::Given;
use crate::model::{Conflict, Kind, Reason, Verdict};
use crate::rules::Question;

/// Whoever was let in before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirstScan {
    /// When.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// At which gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "North")]
    pub gate: Option<String>,
    /// By which device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device_id: Option<DeviceId>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device: Option<String>,
    /// By whom.
    pub user_id: UserId,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<String>,
    /// Whether it was scanned without a network.
    pub offline: bool,
}

/// What the answer said besides the verdict, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_scan: Option<FirstScan>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<Question>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inside: Option<i32>,
}

impl Detail {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who scans, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) device: Option<DeviceId>,
    pub(crate) user: UserId,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: Option<String>,
}

impl Who {
    /// What a nonce is unique for: the device, or the member who scans without one.
    pub(crate) fn scanner(&self) -> Uuid {
        self.device.map_or(self.user.0, |device| device.0)
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// The scanner's own name for it.
    pub nonce: Uuid,
    /// The show.
    pub show_id: ShowId,
    /// The ticket; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ticket_id: Option<TicketId>,
    /// The list that it was scanned with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub list_id: Option<ListId>,
    /// The zone that was entered or left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone_id: Option<ZoneId>,
    /// Which way.
    pub kind: Kind,
    /// At which gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gate: Option<String>,
    /// What the door was told.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Why a supervisor forced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub forced: Option<String>,
    /// What the door answered to the questions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Given>,
    /// Whether it moved the ticket: of two that contradict one another only one does.
    pub counts: bool,
    /// What a supervisor has to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub conflict: Option<Conflict>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub device_id: Option<DeviceId>,
    /// The member, or who vouches for the device.
    pub user_id: UserId,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub address: Option<IpAddr>,
    /// The program that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent: Option<String>,
    /// When it was, as far as the house knows.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub scanned_at: Timestamp,
    /// When it was by the device's clock.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub device_at: Option<Timestamp>,
    /// When it reached the house.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Whether it was scanned without a network.
    pub offline: bool,
    /// Whether somebody went through the door, rightly or not.
    pub passed: bool,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub undone_at: Option<Timestamp>,
    /// When a supervisor had looked at its conflict.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub settled_at: Option<Timestamp>,
    /// What a nonce is unique for.
    #[serde(skip)]
    pub scanner: Uuid,
    #[serde(skip)]
    pub(crate) detail: Detail,
}

/// The ticket as the door sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoorTicket {
    /// Its id.
    pub id: TicketId,
    /// What stands on it.
    pub number: String,
    /// Its holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Its seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seat: Option<String>,
    /// The class of its type.
    pub class: i16,
}

/// What the door is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanAnswer {
    /// The scan's nonce.
    pub nonce: Uuid,
    /// What to do.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// More about why, to be read out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    /// The ticket, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ticket: Option<DoorTicket>,
    /// Who was let in with it before, by whom, where and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_scan: Option<FirstScan>,
    /// What to ask before scanning again with the answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub questions: Vec<Question>,
    /// The zone that was entered or left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone_id: Option<ZoneId>,
    /// How many were inside it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub inside: Option<i32>,
    /// What a supervisor was told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub conflict: Option<Conflict>,
    /// When it was judged to be.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub scanned_at: Timestamp,
}

impl Versioned for ScanAnswer {}

impl ScanAnswer {
    /// The same scan always gives the same answer, however long ago it was.
    pub(crate) fn of(scan: &Scan, ticket: Option<DoorTicket>) -> Self {
        Self {
            nonce: scan.nonce,
            verdict: scan.verdict,
            reason: scan.reason,
            note: scan.detail.note.clone(),
            ticket,
            first_scan: scan.detail.first_scan.clone(),
            questions: scan.detail.questions.clone(),
            zone_id: scan.zone_id,
            inside: scan.detail.inside,
            conflict: scan.conflict,
            scanned_at: scan.scanned_at,
        }
    }
}
