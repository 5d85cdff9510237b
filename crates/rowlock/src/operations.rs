//! The permission of every operation: one table. It gives the OpenAPI document its security, and
//! a test compares it with what the server really does. An operation that is not here fails it.

use kernel::role::Permission::{
    self, ActForSelf, CancelBookings, ChangeMembers, ChangeVenue, Enter, HoldSeats, ListBookings,
    Listen, ManageDevices, ManageShows, OpenVenue, ReadAudit, ReadBooking, ReadMembers, ReadShows,
    ReadVenue, ReportDevice, WithholdSeats,
};

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
    ("holdSeats", HoldSeats),
    ("extendHold", HoldSeats),
    ("releaseHold", HoldSeats),
    ("bookSeats", HoldSeats),
    ("cancelBooking", CancelBookings),
    ("listBookings", ListBookings),
    ("getBooking", ReadBooking),
    ("listMyBookings", ActForSelf),
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
