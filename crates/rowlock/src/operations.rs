//! The permission of every operation: one table. It gives the OpenAPI document its security, and
//! a test compares it with what the server really does. An operation that is not here fails it.

use std::fmt::Write as _;

use kernel::role::Permission::{
    self, ActForSelf, CancelBookings, ChangeMembers, ChangeVenue, Enter, HoldSeats, ListBookings,
    Listen, ManageBookings, ManageDevices, ManageShows, OpenVenue, ReadAudit, ReadBooking,
    ReadMembers, ReadShows, ReadVenue, ReportDevice, WithholdSeats,
};
use kernel::role::{Profile, Role, Standing};

/// Operation and the permission that it needs.
pub(crate) const OPERATIONS: &[(&str, Permission)] = &[
    // identity
    ("register", Enter),
    ("login", Enter),
    ("refresh", Enter),
    ("logout", ActForSelf),
    ("setUp", Enter),
    ("listProviders", Enter),
    ("beginOidc", Enter),
    ("finishOidc", Enter),
    ("exchangeOidc", Enter),
    ("listLogins", ActForSelf),
    ("unlinkLogin", ActForSelf),
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
    ("getLine", ReadShows),
    ("setLine", ManageShows),
    ("joinLine", HoldSeats),
    ("leaveLine", HoldSeats),
    ("getMyPlace", HoldSeats),
    ("getRequest", HoldSeats),
    ("listAllocations", WithholdSeats),
    ("allocateSeats", ManageShows),
    ("deleteAllocation", ManageShows),
    ("holdSeats", HoldSeats),
    ("extendHold", HoldSeats),
    ("releaseHold", HoldSeats),
    ("bookSeats", HoldSeats),
    ("cancelBooking", CancelBookings),
    ("changeBooking", ManageBookings),
    ("moveBooking", ManageBookings),
    ("holdShows", HoldSeats),
    ("extendBundle", HoldSeats),
    ("releaseBundle", HoldSeats),
    ("bookBundle", HoldSeats),
    ("exportBookings", ListBookings),
    ("getShowFigures", ListBookings),
    ("listBookings", ListBookings),
    ("getBooking", ReadBooking),
    ("getBookingTickets", ReadBooking),
    ("listMyBookings", ActForSelf),
    // gala
    ("getGala", Permission::ChooseTables),
    ("listGalaTables", Permission::ChooseTables),
    ("openGuestSession", Permission::ChooseTables),
    ("getGuestParty", Permission::ChooseTables),
    ("chooseTable", Permission::ChooseTables),
    ("leaveTable", Permission::ChooseTables),
    ("getGalaConfirmation", Permission::ChooseTables),
    ("getGalaQr", Permission::ChooseTables),
    ("getGalaCalendar", Permission::ChooseTables),
    ("setPreferences", Permission::ChooseTables),
    ("getCaptainsTable", Permission::ChooseTables),
    ("inviteToTable", Permission::ChooseTables),
    ("withdrawTableInvitation", Permission::ChooseTables),
    ("openCaptainsTable", Permission::ChooseTables),
    ("fillCaptainsTable", Permission::ChooseTables),
    ("releaseFromTable", Permission::ChooseTables),
    ("setUpGala", ManageShows),
    ("listAssignments", Permission::ReadGala),
    ("listUnseated", Permission::ReadGala),
    ("printTableCards", Permission::ReadGala),
    ("getGalaStats", Permission::ReadGala),
    ("moveGalaGuests", Permission::RunGala),
    ("proposeSeating", Permission::RunGala),
    ("applySeating", Permission::RunGala),
    ("withholdGalaTables", Permission::RunGala),
    ("releaseGalaTables", Permission::RunGala),
    ("nameCaptain", Permission::RunGala),
    ("dismissCaptain", Permission::RunGala),
    ("resetGala", Permission::RunGala),
    ("importSeating", Permission::RunGala),
    // tickets
    ("openDoors", Permission::ManageDoors),
    ("rotateShowKey", Permission::ManageDoors),
    ("createTicketType", Permission::ManageDoors),
    ("createDoorList", Permission::ManageDoors),
    ("createZone", Permission::ManageDoors),
    ("createDoorQuestion", Permission::ManageDoors),
    ("getDoors", Permission::ReadDoors),
    ("getDoorRules", Permission::ReadDoors),
    ("issueTickets", Permission::IssueTickets),
    ("getTicket", Permission::IssueTickets),
    ("listTickets", Permission::ReadTickets),
    ("scanTicket", Permission::ScanTickets),
    ("mergeScans", Permission::ScanTickets),
    ("undoScan", Permission::ScanTickets),
    ("settleConflict", Permission::SuperviseDoors),
    ("getOfflineBundle", Permission::ScanTickets),
    ("forceScan", Permission::SuperviseDoors),
    ("listScans", Permission::SuperviseDoors),
    ("exportScans", Permission::SuperviseDoors),
    ("changeTicketType", Permission::ManageDoors),
    ("deleteTicketType", Permission::ManageDoors),
    ("changeDoorList", Permission::ManageDoors),
    ("deleteDoorList", Permission::ManageDoors),
    ("changeZone", Permission::ManageDoors),
    ("deleteZone", Permission::ManageDoors),
    ("changeDoorQuestion", Permission::ManageDoors),
    ("deleteDoorQuestion", Permission::ManageDoors),
    ("importTickets", Permission::IssueTickets),
    ("changeTicket", Permission::IssueTickets),
    ("revokeTicket", Permission::IssueTickets),
    ("reissueTicket", Permission::IssueTickets),
    ("sendTicket", Permission::IssueTickets),
    ("sendTickets", Permission::IssueTickets),
    ("shareTicket", Permission::IssueTickets),
    ("getTicketQr", Permission::IssueTickets),
    ("showTicket", Permission::ShowTicket),
    ("showTicketQr", Permission::ShowTicket),
    ("getDoorFigures", Permission::ReadDoors),
    ("listDoorAlerts", Permission::SuperviseDoors),
    ("seeDoorAlert", Permission::SuperviseDoors),
    // floor
    ("getFloor", Permission::ReadFloor),
    ("listTables", Permission::ReadFloor),
    ("getTable", Permission::ReadFloor),
    ("listLevels", Permission::ReadFloor),
    ("listSections", Permission::ReadFloor),
    ("getFloorSettings", Permission::ReadFloor),
    ("getDashboard", Permission::ReadFloor),
    ("createTable", Permission::ArrangeFloor),
    ("changeTable", Permission::ArrangeFloor),
    ("deleteTable", Permission::ArrangeFloor),
    ("saveTables", Permission::ArrangeFloor),
    ("createLevel", Permission::ArrangeFloor),
    ("changeLevel", Permission::ArrangeFloor),
    ("deleteLevel", Permission::ArrangeFloor),
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
    ("markGuestArrived", Permission::SeatGuests),
    ("cancelGuest", Permission::SeatGuests),
    ("markGuestNoShow", Permission::SeatGuests),
    ("unseatGuest", Permission::SeatGuests),
    ("completeGuest", Permission::SeatGuests),
    ("undoGuest", Permission::SeatGuests),
    ("sharePlaceInLine", Permission::SeatGuests),
    ("runFloorBatch", Permission::SeatGuests),
    ("getPlaceInLine", Permission::AskForTables),
    ("listMyReservations", ActForSelf),
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
    // payments
    ("getBill", Permission::ReadPayments),
    ("getOwnBill", Permission::PayOwnBill),
    ("payBill", Permission::PayOwnBill),
    ("payForOrder", Permission::TakePayments),
    ("payForBooking", Permission::TakeBookingPayments),
    ("cancelPayment", Permission::TakeBookingPayments),
    ("discountBill", Permission::DiscountBills),
    ("listPayments", Permission::ReadPayments),
    ("getPayment", Permission::ReadPayments),
    ("getReceipt", Permission::ReadPayments),
    ("refundPayment", Permission::RefundPayments),
    ("voidPayment", Permission::RefundPayments),
    ("listRefunds", Permission::ReadPayments),
    ("getRefund", Permission::ReadPayments),
    ("getRefundReceipt", Permission::ReadPayments),
    ("approveRefund", Permission::ApproveRefunds),
    ("denyRefund", Permission::ApproveRefunds),
    ("handOutRefund", Permission::RefundPayments),
    ("issueVoucher", Permission::IssueVouchers),
    ("listVouchers", Permission::ReadPayments),
    ("openDrawer", Permission::UseDrawers),
    ("moveCash", Permission::UseDrawers),
    ("closeDrawer", Permission::UseDrawers),
    ("listDrawers", Permission::UseDrawers),
    ("getDrawerReport", Permission::UseDrawers),
    ("getDayReport", Permission::ReadPayments),
    ("getPaymentSettings", Permission::ReadPayments),
    ("changePaymentSettings", Permission::SetUpPayments),
    ("receiveNotice", Enter),
    // spa
    ("getCatalogue", Permission::ReadCatalogue),
    ("exportCatalogue", Permission::ManageSpa),
    ("importCatalogue", Permission::ManageSpa),
    ("createCategory", Permission::ManageSpa),
    ("changeCategory", Permission::ManageSpa),
    ("deleteCategory", Permission::ManageSpa),
    ("createService", Permission::ManageSpa),
    ("changeService", Permission::ManageSpa),
    ("deleteService", Permission::ManageSpa),
    ("createVariant", Permission::ManageSpa),
    ("changeVariant", Permission::ManageSpa),
    ("deleteVariant", Permission::ManageSpa),
    ("listRooms", Permission::ReadQueues),
    ("createRoom", Permission::ManageSpa),
    ("changeRoom", Permission::ManageSpa),
    ("deleteRoom", Permission::ManageSpa),
    ("readyRoom", Permission::ServeOrders),
    ("listTherapists", Permission::ReadQueues),
    ("listTurns", Permission::ReadQueues),
    ("saveTherapist", Permission::ManageSpa),
    ("beginShift", Permission::ServeOrders),
    ("takeBreak", Permission::ServeOrders),
    ("endBreak", Permission::ServeOrders),
    ("endShift", Permission::ServeOrders),
    ("getSpaSettings", Permission::ReadQueues),
    ("changeSpaSettings", Permission::ManageSpa),
    ("createOrder", Permission::OrderServices),
    ("getOrder", Permission::OrderServices),
    ("cancelOrder", Permission::OrderServices),
    ("claimNextOrder", Permission::ServeOrders),
    ("callOrder", Permission::ServeOrders),
    ("markOrderNoShow", Permission::ServeOrders),
    ("startOrder", Permission::ServeOrders),
    ("undoOrderStart", Permission::ServeOrders),
    ("addItem", Permission::ServeOrders),
    ("removeItem", Permission::ServeOrders),
    ("finishOrder", Permission::ServeOrders),
    ("handBackOrder", Permission::HandleOrders),
    ("keepOrder", Permission::HandleOrders),
    ("eraseCustomer", Permission::SuperviseOrders),
    ("takeOverOrder", Permission::SuperviseOrders),
    ("claimNextPayment", Permission::SettleOrders),
    ("getTherapistQueue", Permission::ReadQueues),
    ("getCashierQueue", Permission::ReadQueues),
    ("getMonitor", Permission::ReadQueues),
    // realtime
    ("openSocket", Listen),
    ("listEvents", Listen),
    ("getSnapshot", Listen),
    // what is written down, and what is kept of a person
    ("listAudit", ReadAudit),
    ("checkInvariants", ReadAudit),
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
