//! Roles of a venue, and the one table that says what each may do.

crate::names! {
    /// What a member is in a venue; strongest first.
    Role {
        /// Everything.
        Owner = "owner",
        /// Everything but owners and the venue itself.
        Manager = "manager",
        /// The restaurant floor; reads shows and bookings.
        Host = "host",
        /// Holds and bookings for others, payments of bookings.
        BoxOffice = "box_office",
        /// Scans at doors.
        Scanner = "scanner",
        /// The therapist queue.
        Therapist = "therapist",
        /// The cashier queue and payments.
        Cashier = "cashier",
        /// Reads queues, floor and shows without personal data.
        Monitor = "monitor",
    }
    /// What a device of a venue is for, and so what it may.
    Profile {
        /// Scans at doors.
        Scanner = "scanner",
        /// Serves guests by itself.
        Kiosk = "kiosk",
        /// Shows queues and seats on a wall.
        Monitor = "monitor",
        /// Sells and takes payments.
        Till = "till",
    }
}

impl Profile {
    /// The role whose events a device of this profile hears.
    #[must_use]
    pub fn hears_as(self) -> Role {
        match self {
            Self::Scanner => Role::Scanner,
            Self::Kiosk | Self::Monitor => Role::Monitor,
            Self::Till => Role::Cashier,
        }
    }
}

/// Who somebody is to a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nobody is signed in.
    Anyone,
    /// A signed-in user without a role in this venue.
    Customer,
    /// A member.
    Member(Role),
    /// An approved device of the venue; it may what its profile says and nothing else.
    Device(Profile),
}

impl Standing {
    /// Whether the table grants `permission` to this standing.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        let grant = permission.grant();
        match self {
            Self::Anyone => grant.anyone,
            Self::Customer => grant.anyone || grant.customer,
            Self::Member(role) => {
                let owner = role == Role::Owner && grant.owner;
                grant.anyone || grant.customer || owner || grant.roles.contains(&role)
            }
            Self::Device(profile) => grant.anyone || grant.profiles.contains(&profile),
        }
    }

    /// Whether this is a member or a device of the venue.
    #[must_use]
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Member(_) | Self::Device(_))
    }
}

/// Who has a permission. Owners have all of them.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// Without signing in.
    pub anyone: bool,
    /// Any signed-in user, for what is their own.
    pub customer: bool,
    /// Owners: all but what only a device can do.
    pub owner: bool,
    /// Members with one of these roles.
    pub roles: &'static [Role],
    /// Devices with one of these profiles. A device acts for the venue, never for a customer.
    pub profiles: &'static [Profile],
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $who:ident $(+ $role:ident)* $(/ $profile:ident)*;)*) => {
        /// What can be permitted. One operation of the API needs exactly one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$doc])* $name,)* }

        impl Permission {
            /// All permissions, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Its line of the table.
            #[must_use]
            pub fn grant(self) -> Grant {
                match self { $(Self::$name => Grant {
                    anyone: permissions!(@anyone $who),
                    customer: permissions!(@customer $who),
                    owner: permissions!(@owner $who),
                    roles: &[$(Role::$role,)*],
                    profiles: &[$(Profile::$profile,)*],
                },)* }
            }
        }

        /// Permissions as types, for the handlers' signatures: `Actor<can::HoldSeats>`.
        pub mod can {
            use super::{Needs, Permission};
            $(
                $(#[$doc])*
                #[derive(Clone, Copy, Debug)]
                pub struct $name;
                impl Needs for $name { const PERMISSION: Permission = Permission::$name; }
            )*
        }
    };
    (@anyone anyone) => { true };
    (@anyone $other:ident) => { false };
    (@owner device) => { false };
    (@owner $other:ident) => { true };
    (@customer customer) => { true };
    (@customer $other:ident) => { false };
}

/// A type that stands for a permission.
pub trait Needs: 'static {
    /// The permission it stands for.
    const PERMISSION: Permission;
}

// The table: permission: who (anyone, customer, staff, device) + the roles that have it / the devices that
// have it. Owners have all.
permissions! {
    /// Sign in, register, refresh, read the API's limits and documents.
    Enter: anyone;
    /// Act on what is one's own: me, my sessions, my bookings.
    ActForSelf: customer;
    /// Make a venue and become its owner.
    OpenVenue: customer;
    /// Read a venue's settings.
    ReadVenue: staff + Manager + Host + BoxOffice + Scanner + Therapist + Cashier + Monitor
        / Scanner / Kiosk / Monitor / Till;
    /// Change a venue's settings.
    ChangeVenue: staff;
    /// Read who has which role.
    ReadMembers: staff + Manager;
    /// Give and take roles, never above one's own.
    ChangeMembers: staff + Manager;
    /// Pair, approve, rename and revoke devices.
    ManageDevices: staff + Manager;
    /// Report how a device is: only the device itself can.
    ReportDevice: device / Scanner / Kiosk / Monitor / Till;
    /// Read what privileged people did.
    ReadAudit: staff + Manager;
    /// Read shows that are announced, and their seat maps.
    ReadShows: anyone;
    /// Read and change shows and layouts.
    ManageShows: staff + Manager;
    /// Keep seats back and give them free.
    WithholdSeats: staff + Manager + BoxOffice;
    /// Hold seats, and book what one holds.
    HoldSeats: customer + Manager + BoxOffice / Kiosk / Till;
    /// Cancel a booking of one's own, or any as staff of the box office.
    CancelBookings: customer + Manager + BoxOffice;
    /// Change whose a booking is, and move it to other seats.
    ManageBookings: staff + Manager + BoxOffice;
    /// Read a booking of one's own, or any as staff.
    ReadBooking: customer + Manager + Host + BoxOffice / Till;
    /// List and search all bookings of a venue.
    ListBookings: staff + Manager + Host + BoxOffice / Till;
    /// Read tables, sections and figures of the floor, without names.
    ReadFloor: staff + Manager + Host + BoxOffice + Scanner + Therapist + Cashier + Monitor;
    /// Move tables and sections, save and apply layouts.
    ArrangeFloor: staff + Manager + Host;
    /// Change how the floor works: turn times, opening hours, pacing.
    SetUpFloor: staff + Manager;
    /// Read parties and reservations with their names.
    ReadGuests: staff + Manager + Host + BoxOffice;
    /// Receive, seat and dismiss parties.
    SeatGuests: staff + Manager + Host;
    /// Ask how long the wait is, and when a table is free.
    AskForTables: anyone;
    /// Reserve a table for oneself, or for anybody as staff.
    ReserveTables: customer + Manager + Host;
    /// Set up the doors of a show: keys, types, lists, zones, questions.
    ManageDoors: staff + Manager;
    /// Read types, lists and zones of a show, without names.
    ReadDoors: staff + Manager + BoxOffice + Scanner + Monitor / Scanner / Monitor;
    /// Issue, send, rename, revoke and reissue tickets.
    IssueTickets: staff + Manager + BoxOffice;
    /// Read and search tickets with their holders' names.
    ReadTickets: staff + Manager + BoxOffice + Scanner;
    /// Scan tickets at a door, also without a network.
    ScanTickets: staff + Manager + Scanner / Scanner;
    /// Let somebody in against the rules, and look after what went wrong at the doors.
    SuperviseDoors: staff + Manager;
    /// See one's own ticket, by its secret link.
    ShowTicket: anyone;
    /// Read what a spa offers.
    ReadCatalogue: anyone;
    /// Order services, and look after one's own order by its secret.
    OrderServices: anyone;
    /// Set up the spa: catalogue, rooms, therapists, rules.
    ManageSpa: staff + Manager;
    /// Read the spa's lines, rooms and shifts, by codes alone.
    ReadQueues: staff + Manager + Host + Therapist + Cashier + Monitor / Kiosk / Monitor / Till;
    /// Take the next customer of the spa and look after them.
    ServeOrders: staff + Manager + Therapist;
    /// Keep a claim on an order, or give it back.
    HandleOrders: staff + Manager + Therapist + Cashier / Till;
    /// Take the next customer who pays, and their money.
    SettleOrders: staff + Manager + Cashier / Till;
    /// Take an order over from whoever has it, and erase whose it was.
    SuperviseOrders: staff + Manager;
    /// Take money for orders.
    TakePayments: staff + Manager + Cashier / Till;
    /// Take money for bookings, and cancel card payments.
    TakeBookingPayments: staff + Manager + BoxOffice + Cashier / Till;
    /// See and pay one's own bill, by its secret.
    PayOwnBill: anyone;
    /// Read bills, payments, receipts and reports.
    ReadPayments: staff + Manager + BoxOffice + Cashier / Till;
    /// Give money back, within the venue's limit or by two people.
    RefundPayments: staff + Manager + BoxOffice + Cashier;
    /// Be the second person who decides about money that goes back.
    ApproveRefunds: staff + Manager;
    /// Take something off a bill, within the venue's limit.
    DiscountBills: staff + Manager + BoxOffice + Cashier;
    /// Issue vouchers.
    IssueVouchers: staff + Manager;
    /// Open, move cash in, count and close drawers.
    UseDrawers: staff + Manager + BoxOffice + Cashier;
    /// Change the limits that bind managers too.
    SetUpPayments: staff;
    /// Choose a table with one's tickets, or fill one by a captain's link: a secret says which.
    ChooseTables: anyone;
    /// Read who sits where at a gala, and what they would like.
    ReadGala: staff + Manager + Host + BoxOffice;
    /// Seat and move guests of a gala, withhold and reset its tables.
    RunGala: staff + Manager + BoxOffice;
    /// Listen to a venue's events, as far as its topics allow.
    Listen: anyone;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_have_every_permission_and_strangers_few() {
        use Permission::{
            AskForTables, ChooseTables, Enter, Listen, OrderServices, PayOwnBill, ReadCatalogue,
            ReadShows, ShowTicket,
        };
        for permission in Permission::ALL {
            let only_devices = *permission == Permission::ReportDevice;
            let may = Standing::Member(Role::Owner).may(*permission);
            assert_eq!(may, !only_devices, "{}", permission.name());
        }
        let open: Vec<_> = Permission::ALL.iter().filter(|p| Standing::Anyone.may(**p)).collect();
        assert_eq!(
            open,
            [
                &Enter,
                &ReadShows,
                &AskForTables,
                &ShowTicket,
                &ReadCatalogue,
                &OrderServices,
                &PayOwnBill,
                &ChooseTables,
                &Listen
            ]
        );
    }

    #[test]
    fn a_device_may_what_its_profile_says_and_nothing_for_itself() {
        for profile in Profile::ALL {
            let device = Standing::Device(*profile);
            assert_eq!(Profile::from_name(profile.as_str()), Some(*profile));
            assert!(device.may(Permission::ReportDevice) && device.may(Permission::ReadVenue));
            for refused in
                [Permission::ActForSelf, Permission::OpenVenue, Permission::ManageDevices]
            {
                assert!(!device.may(refused), "{profile:?} {}", refused.name());
            }
            // Whoever vouches for it is a manager at least: it never may more than they.
            let manager = Standing::Member(Role::Manager);
            let more = Permission::ALL.iter().filter(|p| device.may(**p) && !manager.may(**p));
            assert_eq!(more.collect::<Vec<_>>(), [&Permission::ReportDevice], "{profile:?}");
        }
        assert!(!Standing::Device(Profile::Scanner).may(Permission::HoldSeats));
        assert!(Standing::Device(Profile::Till).may(Permission::HoldSeats));
    }

    #[test]
    fn a_monitor_changes_nothing() {
        let monitor = Standing::Member(Role::Monitor);
        assert!(!monitor.may(Permission::ManageShows));
        assert!(!monitor.may(Permission::WithholdSeats));
        assert!(!monitor.may(Permission::ListBookings));
        assert!(monitor.may(Permission::ReadVenue));
    }
}
