//! Tickets and what can become of them. Pure.

use edge::answer::Versioned;
use jiff::Timestamp;
use kernel::ids::{BookingId, ShowId, TicketId, ZoneId};
use serde::Serialize;
use utoipa::ToSchema;

kernel::names! {
    /// Where a ticket stands.
    TicketStatus {
        /// It is there.
        Issued = "issued",
        /// Its holder got it by mail.
        Sent = "sent",
        /// Its holder is inside.
        Admitted = "admitted",
        /// Its holder was inside and left.
        Left = "left",
        /// It counts no more.
        Revoked = "revoked",
    }
    /// How far the mail with a ticket is.
    MailState {
        /// Nobody asked for one.
        None = "none",
        /// It waits to be sent.
        Queued = "queued",
        /// The mail server took it.
        Sent = "sent",
        /// The mail server refused it for good.
        Failed = "failed",
    }
    /// Whether a ticket lets in more than once.
    Reentry {
        /// Once.
        Never = "never",
        /// Again after each exit.
        AfterExit = "after_exit",
        /// As often as it is shown.
        Always = "always",
    }
    /// Which way somebody goes.
    Kind {
        /// In.
        Entry = "entry",
        /// Out.
        Exit = "exit",
    }
    /// What the door does.
    Verdict {
        /// Let them through.
        Admit = "admit",
        /// Do not.
        Deny = "deny",
        /// Ask first, then scan again with the answers.
        Ask = "ask",
    }
    /// Why.
    Reason {
        /// All is well.
        Ok = "ok",
        /// Let in by a supervisor against the rules.
        Forced = "forced",
        /// Somebody was let in with it; `firstScan` says by whom, where and when.
        AlreadyAdmitted = "already_admitted",
        /// It was revoked.
        Revoked = "revoked",
        /// A newer code was issued: this one died.
        Reissued = "reissued",
        /// There is no such ticket.
        Unknown = "unknown",
        /// The code was not made by this house.
        Forged = "forged",
        /// It is for another show.
        WrongShow = "wrong_show",
        /// This list does not take its type.
        WrongList = "wrong_list",
        /// Not yet.
        TooEarly = "too_early",
        /// No more.
        TooLate = "too_late",
        /// It is not paid.
        Unpaid = "unpaid",
        /// The zone is full.
        ZoneFull = "zone_full",
        /// Who is not inside cannot leave.
        NotInside = "not_inside",
        /// It was blocked; `note` says why.
        Blocked = "blocked",
        /// It let in as often as its list allows.
        NoEntriesLeft = "no_entries_left",
        /// Questions are to be answered first.
        Questions = "questions",
    }
    /// What a supervisor has to look at.
    Conflict {
        /// Two were let in with one ticket, by doors that could not see each other.
        SecondEntry = "second_entry",
        /// Let in without a network after the ticket was revoked or issued anew.
        AfterRevocation = "after_revocation",
        /// Scanned by a device after it was revoked.
        UntrustedDevice = "untrusted_device",
    }
}

/// A right of entry.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The show that it is for.
    pub show_id: ShowId,
    /// What stands on it.
    #[schema(example = "G-0042")]
    pub number: String,
    /// The class of its type.
    pub class: i16,
    /// Its holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Its holder's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// Its seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seat: Option<String>,
    /// Where it stands.
    pub status: TicketStatus,
    /// Rises when it is issued anew: older codes die.
    pub serial: i32,
    /// Whether it is paid.
    pub paid: bool,
    /// Why it is blocked, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub blocked: Option<String>,
    /// The booking that it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub booking_id: Option<BookingId>,
    /// The zone in which its holder is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone_id: Option<ZoneId>,
    /// How often it let somebody in.
    pub entries: i32,
    /// How far its mail is.
    pub mail_state: MailState,
    /// Why its mail failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub mail_error: Option<String>,
    /// When it was made.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Rises with every change.
    pub version: i64,
    /// When it was issued anew last. Inside only.
    #[serde(skip)]
    pub reissued_at: Option<Timestamp>,
    /// When it was revoked. Inside only.
    #[serde(skip)]
    pub revoked_at: Option<Timestamp>,
    /// Whether its questions were answered. Inside only.
    #[serde(skip)]
    pub answered: bool,
}

impl Versioned for Ticket {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    /// A ticket that was just issued.
    pub(crate) fn ticket() -> Ticket {
        Ticket {
            id: TicketId(Uuid::from_u128(3)),
            show_id: ShowId(Uuid::from_u128(2)),
            number: "G-0042".to_owned(),
            class: 1,
            name: Some("Ana Lopes".to_owned()),
            email: Some("ana@example.org".to_owned()),
            seat: Some("T1-2".to_owned()),
            status: TicketStatus::Issued,
            serial: 1,
            paid: true,
            blocked: None,
            booking_id: None,
            zone_id: None,
            entries: 0,
            mail_state: MailState::None,
            mail_error: None,
            created_at: "2027-01-01T12:00:00Z".parse().unwrap(),
            version: 1,
            reissued_at: None,
            revoked_at: None,
            answered: false,
        }
    }

    #[test]
    fn words_are_what_the_database_writes() {
        for status in ["issued", "sent", "admitted", "left", "revoked"] {
            assert_eq!(TicketStatus::from_name(status).unwrap().as_str(), status);
        }
    }
}
