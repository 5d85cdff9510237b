//! The permission of every operation: one table. It gives the OpenAPI document its security, and
//! a test compares it with what the server really does. An operation that is not here fails it.

use std::fmt::Write as _;

use kernel::role::Permission::{
    self, ActForSelf, CancelBookings, ChangeMembers, ChangeVenue, Enter, HoldSeats, ListBookings,
    Listen, ManageDevices, ManageShows, OpenVenue, ReadAudit, ReadBooking, ReadMembers, ReadShows,
    ReadVenue, ReportDevice, WithholdSeats,
};
use kernel::role::{Profile, Role, Standing};

/// Operation and the permission that it needs.
pub(crate) const OPERATIONS: &[(&str, Permission)] = &[
    // identity
    ("register", Enter),
    ("login", Enter),
    ("refresh", Enter),
    ("logout", ActForSelf),
    ("getMe", ActForSelf),
    ("changePassword", ActForSelf),
    ("requestPasswordReset", Enter),
    ("resetPassword", Enter),
    ("deactivateAccount", ActForSelf),
    ("reactivateAccount", Enter),
    ("listSessions", ActForSelf),
    ("endSession", ActForSelf),
    ("endOtherSessions", ActForSelf),
    ("acceptInvitation", Enter),
    ("takeInvitation", ActForSelf),
    ("getKeySet", Enter),
    ("openVenue", OpenVenue),
    ("listVenues", ActForSelf),
    ("getVenue", ReadVenue),
    ("changeVenue", ChangeVenue),
    ("listMembers", ReadMembers),
    ("addMember", ChangeMembers),
    ("changeMember", ChangeMembers),
    ("removeMember", ChangeMembers),
    ("listInvitations", ReadMembers),
    ("withdrawInvitation", ChangeMembers),
    ("listDevices", ManageDevices),
    ("beginPairing", ManageDevices),
    ("pairDevice", Enter),
    ("approveDevice", ManageDevices),
    ("revokeDevice", ManageDevices),
    ("renameDevice", ManageDevices),
    ("reportDevice", ReportDevice),
    ("challengeDevice", Enter),
    ("createDeviceToken", Enter),
    // booking
    ("listShows", ReadShows),
    ("getShow", ReadShows),
    ("getSeatMap", ReadShows),
    ("createShow", ManageShows),
    ("changeShow", ManageShows),
    ("cancelShow", ManageShows),
    ("layOutShow", ManageShows),
    ("listLayouts", ManageShows),
    ("saveLayout", ManageShows),
    ("withholdSeats", WithholdSeats),
    ("releaseSeats", WithholdSeats),
    ("waitForSeats", HoldSeats),
    ("acceptOffer", HoldSeats),
    ("leaveWaitlist", HoldSeats),
    ("listWaitlist", ListBookings),
    ("listMyWaitlist", ActForSelf),
    ("listAllocations", WithholdSeats),
    ("allocateSeats", ManageShows),
    ("deleteAllocation", ManageShows),
    ("holdSeats", HoldSeats),
    ("extendHold", HoldSeats),
    ("releaseHold", HoldSeats),
    ("bookSeats", HoldSeats),
    ("cancelBooking", CancelBookings),
    ("listBookings", ListBookings),
    ("getBooking", ReadBooking),
    ("listMyBookings", ActForSelf),
    // floor
    ("getFloor", Permission::ReadFloor),
    ("listTables", Permission::ReadFloor),
    ("getTable", Permission::ReadFloor),
    ("listSections", Permission::ReadFloor),
    ("getFloorSettings", Permission::ReadFloor),
    ("getDashboard", Permission::ReadFloor),
    ("createTable", Permission::ArrangeFloor),
    ("changeTable", Permission::ArrangeFloor),
    ("deleteTable", Permission::ArrangeFloor),
    ("saveTables", Permission::ArrangeFloor),
    ("createSection", Permission::ArrangeFloor),
    ("changeSection", Permission::ArrangeFloor),
    ("deleteSection", Permission::ArrangeFloor),
    ("listFloorLayouts", Permission::ArrangeFloor),
    ("saveFloorLayout", Permission::ArrangeFloor),
    ("deleteFloorLayout", Permission::ArrangeFloor),
    ("exportFloorPlan", Permission::ArrangeFloor),
    ("applyFloorLayout", Permission::ArrangeFloor),
    ("changeFloorSettings", Permission::SetUpFloor),
    ("listGuests", Permission::ReadGuests),
    ("getGuest", Permission::ReadGuests),
    ("receiveGuest", Permission::SeatGuests),
    ("changeGuest", Permission::SeatGuests),
    ("deleteGuest", Permission::SeatGuests),
    ("seatGuest", Permission::SeatGuests),
    ("moveGuest", Permission::SeatGuests),
    ("mergeGuests", Permission::SeatGuests),
    ("swapGuests", Permission::SeatGuests),
    ("splitGuest", Permission::SeatGuests),
    ("notifyGuest", Permission::SeatGuests),
    ("cancelGuest", Permission::SeatGuests),
    ("markGuestNoShow", Permission::SeatGuests),
    ("unseatGuest", Permission::SeatGuests),
    ("completeGuest", Permission::SeatGuests),
    ("undoGuest", Permission::SeatGuests),
    ("sharePlaceInLine", Permission::SeatGuests),
    ("runFloorBatch", Permission::SeatGuests),
    ("getPlaceInLine", Permission::AskForTables),
    ("listReservations", Permission::ReadGuests),
    ("listBrokenReservations", Permission::ReadGuests),
    ("getReservation", Permission::ReadGuests),
    ("getWaitlist", Permission::ReadGuests),
    ("getAvailability", Permission::AskForTables),
    ("quoteWait", Permission::AskForTables),
    ("holdTable", Permission::ReserveTables),
    ("bookTable", Permission::ReserveTables),
    ("cancelReservation", Permission::ReserveTables),
    ("reserveTable", Permission::SeatGuests),
    ("changeReservation", Permission::SeatGuests),
    ("arriveForReservation", Permission::SeatGuests),
    ("markReservationNoShow", Permission::SeatGuests),
    ("syncFloor", Permission::ReadFloor),
    // realtime
    ("openSocket", Listen),
    ("listEvents", Listen),
    ("getSnapshot", Listen),
    // what is written down, and what is kept of a person
    ("listAudit", ReadAudit),
    ("exportMe", ActForSelf),
    ("eraseMe", ActForSelf),
    // operation of the server itself
    ("getLimits", Enter),
];

/// The permission of `operation`.
pub(crate) fn permission(operation: &str) -> Option<Permission> {
    OPERATIONS.iter().find(|(name, _)| *name == operation).map(|(_, permission)| *permission)
}

/// The table as a page: who may what, and which operations need it.
pub(crate) fn page() -> String {
    let roles = Role::ALL.iter().map(|role| (role.as_str(), Standing::Member(*role)));
    let devices = Profile::ALL.iter().map(|it| (it.as_str(), Standing::Device(*it)));
    let everybody: Vec<(&str, Standing)> =
        [("anyone", Standing::Anyone), ("customer", Standing::Customer)]
            .into_iter()
            .chain(roles)
            .chain(devices)
            .collect();
    let names: Vec<String> = everybody
        .iter()
        .map(|(name, standing)| match standing {
            Standing::Device(_) => format!("{name} device"),
            _ => (*name).to_owned(),
        })
        .collect();
    let mut page = format!(
        "# Who may what\n\nGenerated by `cargo xtask openapi` from the one table in \
         `kernel::role`; the server checks exactly this.\nA customer acts on what is their own; \
         members and devices act in their venue.\n\n| permission | {} | operations |\n|---{}|---|\n",
        names.join(" | "),
        "|:-:".repeat(everybody.len()),
    );
    for permission in Permission::ALL {
        let needing: Vec<String> = OPERATIONS
            .iter()
            .filter(|(_, needed)| needed == permission)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        let may = |standing: &Standing| if standing.may(*permission) { "●" } else { " " };
        let marks: Vec<&str> = everybody.iter().map(|(_, standing)| may(standing)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            permission.name(),
            marks.join(" | "),
            needing.join(", "),
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_line_for_every_permission() {
        let page = page();
        for permission in Permission::ALL {
            assert_eq!(page.matches(&format!("\n| {} |", permission.name())).count(), 1);
        }
        for (operation, _) in OPERATIONS {
            assert!(page.contains(&format!("`{operation}`")), "{operation}");
        }
    }
}
