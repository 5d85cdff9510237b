//! The bounds of the API: one table in code, served at `/api/v1/limits`.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::rate::Rates;

/// A request's head, in bytes.
pub const HEAD_MAX_BYTES: usize = 16 * 1024;
/// A body, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;
/// A table that is imported, in bytes.
pub const UPLOAD_MAX_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
pub const BODY_MAX: Duration = Duration::from_secs(5);
/// How long a handler may take.
pub const HANDLER_MAX: Duration = Duration::from_secs(5);
/// How deep a JSON body may be nested.
pub const JSON_DEPTH_MAX: usize = 32;
/// Items of one page unless asked otherwise.
pub const PAGE_DEFAULT: u16 = 50;
/// Items of one page at most.
pub const PAGE_MAX: u16 = 200;
/// Seats of one hold or booking.
pub const SEATS_PER_HOLD_MAX: usize = 10;
/// Tables of one hold that are sold as one.
pub const TABLES_PER_HOLD_MAX: usize = 10;
/// Seats of one hold of whole tables.
pub const WHOLE_SEATS_PER_HOLD_MAX: usize = 100;
/// Shows of one bundle of holds.
pub const SHOWS_PER_BUNDLE_MAX: usize = 5;
/// Bookings of one exported file: more than the largest show has seats.
pub const EXPORT_ROWS_MAX: u32 = 25_000;
/// Live holds and unpaid bookings of one customer in a venue.
pub const LIVE_HOLDS_PER_CUSTOMER_MAX: i64 = 2;
/// How long a booking may wait for its payment, at least, in seconds.
pub const PAY_MIN_SECS: i32 = 60;
/// The same, at most.
pub const PAY_MAX_SECS: i32 = 3 * 24 * 60 * 60;
/// How long after that a payment still gets seats, if there are any, in seconds.
pub const LATE_PAYMENT_SECS: i64 = 10 * 60;
/// A hold in all, with its extensions, in seconds.
pub const HOLD_MAX_SECS: i32 = 15 * 60;
/// Places of a line that wait for their pass.
pub const LINE_PLACES_MAX: i64 = 100_000;
/// Holds and bookings of one pass: one may change one's mind twice. The database says so, too.
pub const PASS_USES_MAX: i32 = 3;
/// Seats of one show.
pub const SEATS_PER_SHOW_MAX: usize = 20_000;
/// Characters of an `Idempotency-Key`, at least.
pub const KEY_MIN_CHARS: usize = 8;
/// Characters of an `Idempotency-Key`, at most.
pub const KEY_MAX_CHARS: usize = 255;
/// A WebSocket frame from a client, in bytes.
pub const FRAME_IN_MAX_BYTES: usize = 8 * 1024;
/// WebSocket frames from a client, per second.
pub const FRAMES_IN_PER_SEC_MAX: u32 = 20;
/// What may wait for a slow WebSocket, in bytes.
pub const QUEUE_OUT_MAX_BYTES: usize = 256 * 1024;
/// WebSockets of one user.
pub const SOCKETS_PER_USER_MAX: usize = 8;
/// WebSockets of one worker.
pub const SOCKETS_PER_WORKER_MAX: u64 = 50_000;
/// Venues that one WebSocket listens to.
pub const VENUES_PER_SOCKET_MAX: usize = 32;
/// Single orders and bookings that one WebSocket follows in a venue.
pub const FOLLOWS_PER_VENUE_MAX: usize = 8;

/// Lines of one bill.
pub const BILL_LINES_MAX: usize = 200;
/// How long a card payment may be on its way, in seconds.
pub const CARD_PENDING_MAX_SECS: i64 = 30 * 60;
/// People that a bill is split between.
pub const BILL_WAYS_MAX: u16 = 50;
/// Services of one order of a spa.
pub const ITEMS_PER_ORDER_MAX: usize = 20;
/// Orders that may wait for a therapist, whatever a venue sets.
pub const LINE_MAX: i32 = 200_000;
/// How far down the line a claim looks for somebody whom the therapist may serve and a free room
/// serves, in orders: some milliseconds where nobody fits.
pub const LINE_LOOKED_MAX: i64 = 10_000;
/// Orders that one look at a line shows.
pub const LINE_SHOWN_MAX: i64 = 200;
/// Rooms of one spa.
pub const ROOMS_PER_SPA_MAX: usize = 500;
/// Rows of each kind in one catalogue.
pub const CATALOGUE_ROWS_MAX: usize = 2_000;
/// Rows of one imported catalogue.
pub const CATALOGUE_IMPORT_ROWS_MAX: usize = 500;
/// How long the names and notes of a spa's orders are kept after the visit, in days: for whoever
/// complains.
pub const NAMES_KEPT_DAYS: i32 = 30;
/// A card provider's notice, in bytes.
pub const NOTICE_MAX_BYTES: usize = 256 * 1024;
/// A batch of scans, in bytes.
pub const BATCH_MAX_BYTES: usize = 1024 * 1024;
/// Scans of one batch.
pub const SCANS_PER_BATCH_MAX: usize = 1_000;
/// Tickets of one page of an offline bundle.
pub const BUNDLE_TICKETS_MAX: u16 = 5_000;
/// How long a scanner may work without a network, in seconds.
pub const LEASE_MAX_SECS: i32 = 12 * 60 * 60;
/// How long after it a scan can be taken back, in seconds.
pub const SCAN_UNDO_SECS: u32 = 15 * 60;
/// Tickets of one guest session of a gala, or of one request of a captain.
pub const GUESTS_PER_PARTY_MAX: usize = 20;
/// Guests of a gala that are moved at once.
pub const GALA_MOVES_MAX: usize = 200;
/// Rows of an imported seating, and guests of a proposed one.
pub const GALA_ROWS_MAX: usize = 1_000;

/// How long a pairing code may be used, in seconds.
pub const PAIRING_SECS: u32 = 600;
/// After how long without a report a device is offline, in seconds. It reports once a minute.
pub const DEVICE_SILENT_SECS: i64 = 150;

/// Operations of one batch of the floor.
pub const FLOOR_OPERATIONS_MAX: usize = 200;
/// Tables of one floor plan.
pub const FLOOR_TABLES_MAX: usize = 500;
/// Sections of one floor plan.
pub const FLOOR_SECTIONS_MAX: usize = 50;
/// Levels of one floor plan.
pub const FLOOR_LEVELS_MAX: usize = 20;
/// Tables of one party.
pub const TABLES_PER_PARTY_MAX: usize = 10;
/// How long after it the last step of a party can be undone, in seconds.
pub const STEP_UNDO_SECS: i64 = 5 * 60;
/// Events that a device may have missed and still be told what changed.
pub const SYNC_EVENTS_MAX: u16 = 1_000;
/// Tickets that are issued at once.
pub const TICKETS_PER_ISSUE_MAX: usize = 1_000;
/// Types of tickets of one show.
pub const TICKET_TYPES_PER_SHOW_MAX: usize = 200;
/// Lists of one show's doors.
pub const LISTS_PER_SHOW_MAX: usize = 200;
/// Zones of one show.
pub const ZONES_PER_SHOW_MAX: usize = 100;
/// Questions that the doors of one show ask.
pub const QUESTIONS_PER_SHOW_MAX: usize = 50;

/// The bounds, as the API tells them.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// A body, in bytes.
    body_bytes: usize,
    /// A table that is imported, in bytes.
    upload_bytes: usize,
    /// How long a body may take to arrive, in seconds.
    body_secs: u64,
    /// How long an answer may take, in seconds.
    handler_secs: u64,
    /// How deep a JSON body may be nested.
    json_depth: usize,
    /// Items of one page unless asked otherwise.
    page_default: u16,
    /// Items of one page at most.
    page_max: u16,
    /// Seats of one hold or booking.
    seats_per_hold: usize,
    /// Tables of one hold that are sold as one.
    tables_per_hold: usize,
    /// Seats of one hold of whole tables.
    whole_seats_per_hold: usize,
    /// Shows of one bundle of holds.
    shows_per_bundle: usize,
    /// Bookings of one exported file.
    export_rows: u32,
    /// Live holds and unpaid bookings of one customer in a venue.
    live_holds_per_customer: i64,
    /// A hold in all, with its extensions, in seconds.
    hold_secs: i32,
    /// How long a booking may wait for its payment, in seconds.
    pay_secs: i32,
    /// How long after that a payment still gets seats, if there are any, in seconds.
    late_payment_secs: i64,
    /// Places of a line in front of a show that wait for their pass.
    line_places: i64,
    /// Holds and bookings of one pass.
    uses_per_pass: i32,
    /// Requests with `Prefer: respond-async` that wait to be done.
    async_requests: u64,
    /// Seats of one show.
    seats_per_show: usize,
    /// Characters of an `Idempotency-Key`, at least.
    key_chars_min: usize,
    /// Characters of an `Idempotency-Key`, at most.
    key_chars_max: usize,
    /// How long an answer is kept under its key, in hours.
    key_hours: u32,
    /// A WebSocket frame from a client, in bytes.
    frame_bytes: usize,
    /// WebSocket frames from a client, per second.
    frames_per_sec: u32,
    /// What may wait for a slow WebSocket, in bytes.
    socket_queue_bytes: usize,
    /// WebSockets of one user.
    sockets_per_user: usize,
    /// WebSockets of one worker.
    sockets_per_worker: u64,
    /// Venues that one WebSocket listens to.
    venues_per_socket: usize,
    /// Single orders and bookings that one WebSocket follows in a venue.
    follows_per_venue: usize,
    /// A request's head, in bytes.
    head_bytes: usize,
    /// Requests of one user or device, per second; 0 is no limit.
    requests_per_user_per_sec: u32,
    /// Requests of one address, per second; 0 is no limit.
    requests_per_address_per_sec: u32,
    /// Requests for one venue that one worker answers, per second; 0 is no limit.
    requests_per_venue_per_sec: u32,
    /// A batch of scans, in bytes.
    batch_bytes: usize,
    /// Scans of one batch.
    scans_per_batch: usize,
    /// Tickets of one page of an offline bundle.
    bundle_tickets: u16,
    /// How long a scanner may work without a network, in seconds.
    lease_secs: i32,
    /// How long after it a scan can be taken back, in seconds.
    scan_undo_secs: u32,
    /// How long a pairing code may be used, in seconds.
    pairing_secs: u32,
    /// After how long without a report a device is offline, in seconds.
    device_silent_secs: i64,
    /// Operations of one batch of the floor.
    floor_operations: usize,
    /// Tables of one floor plan.
    floor_tables: usize,
    /// Sections of one floor plan.
    floor_sections: usize,
    /// Levels of one floor plan.
    floor_levels: usize,
    /// Tables of one party.
    tables_per_party: usize,
    /// How long after it the last step of a party can be undone, in seconds.
    step_undo_secs: i64,
    /// Events that a device may have missed and still be told what changed.
    sync_events: u16,
    /// Tickets that are issued at once.
    tickets_per_issue: usize,
    /// Types of tickets of one show.
    ticket_types_per_show: usize,
    /// Lists of one show's doors.
    lists_per_show: usize,
    /// Zones of one show.
    zones_per_show: usize,
    /// Questions that the doors of one show ask.
    questions_per_show: usize,
    /// Tickets of one guest session of a gala.
    guests_per_party: usize,
    /// Guests of a gala that are moved at once.
    gala_moves: usize,
    /// Rows of an imported seating, and guests of a proposed one.
    gala_rows: usize,
    /// Lines of one bill.
    bill_lines: usize,
    /// How long a card payment may be on its way, in seconds.
    card_pending_secs: i64,
    /// People that a bill is split between.
    bill_ways: u16,
    /// Services of one order of a spa.
    items_per_order: usize,
    /// Orders that may wait for a therapist, whatever a venue sets.
    line_orders: i32,
    /// Orders of the line that a claim looks at.
    line_looked: i64,
    /// Orders that one look at a line shows.
    line_shown: i64,
    /// Rooms of one spa.
    rooms_per_spa: usize,
    /// Rows of each kind in one catalogue.
    catalogue_rows: usize,
    /// Rows of one imported catalogue.
    catalogue_import_rows: usize,
    /// How long the names and notes of a spa's orders are kept after the visit, in days.
    names_kept_days: i32,
    /// A card provider's notice, in bytes.
    notice_bytes: usize,
}

/// The table, with the rates of this worker.
#[must_use]
pub fn table(rates: Rates) -> Limits {
    Limits {
        body_bytes: BODY_MAX_BYTES,
        upload_bytes: UPLOAD_MAX_BYTES,
        body_secs: BODY_MAX.as_secs(),
        handler_secs: HANDLER_MAX.as_secs(),
        json_depth: JSON_DEPTH_MAX,
        page_default: PAGE_DEFAULT,
        page_max: PAGE_MAX,
        seats_per_hold: SEATS_PER_HOLD_MAX,
        tables_per_hold: TABLES_PER_HOLD_MAX,
        whole_seats_per_hold: WHOLE_SEATS_PER_HOLD_MAX,
        shows_per_bundle: SHOWS_PER_BUNDLE_MAX,
        export_rows: EXPORT_ROWS_MAX,
        live_holds_per_customer: LIVE_HOLDS_PER_CUSTOMER_MAX,
        hold_secs: HOLD_MAX_SECS,
        pay_secs: PAY_MAX_SECS,
        late_payment_secs: LATE_PAYMENT_SECS,
        line_places: LINE_PLACES_MAX,
        uses_per_pass: PASS_USES_MAX,
        async_requests: bus::WORK_PIECES_MAX,
        seats_per_show: SEATS_PER_SHOW_MAX,
        key_chars_min: KEY_MIN_CHARS,
        key_chars_max: KEY_MAX_CHARS,
        key_hours: 24,
        frame_bytes: FRAME_IN_MAX_BYTES,
        frames_per_sec: FRAMES_IN_PER_SEC_MAX,
        socket_queue_bytes: QUEUE_OUT_MAX_BYTES,
        sockets_per_user: SOCKETS_PER_USER_MAX,
        sockets_per_worker: SOCKETS_PER_WORKER_MAX,
        venues_per_socket: VENUES_PER_SOCKET_MAX,
        follows_per_venue: FOLLOWS_PER_VENUE_MAX,
        head_bytes: HEAD_MAX_BYTES,
        requests_per_user_per_sec: rates.user.per_sec,
        requests_per_address_per_sec: rates.address.per_sec,
        requests_per_venue_per_sec: rates.venue.per_sec,
        ..of_slices()
    }
}

/// What the slices bound; the rest is nought.
fn of_slices() -> Limits {
    Limits {
        batch_bytes: BATCH_MAX_BYTES,
        scans_per_batch: SCANS_PER_BATCH_MAX,
        bundle_tickets: BUNDLE_TICKETS_MAX,
        lease_secs: LEASE_MAX_SECS,
        scan_undo_secs: SCAN_UNDO_SECS,
        pairing_secs: PAIRING_SECS,
        device_silent_secs: DEVICE_SILENT_SECS,
        floor_operations: FLOOR_OPERATIONS_MAX,
        floor_tables: FLOOR_TABLES_MAX,
        floor_sections: FLOOR_SECTIONS_MAX,
        floor_levels: FLOOR_LEVELS_MAX,
        tables_per_party: TABLES_PER_PARTY_MAX,
        step_undo_secs: STEP_UNDO_SECS,
        sync_events: SYNC_EVENTS_MAX,
        tickets_per_issue: TICKETS_PER_ISSUE_MAX,
        ticket_types_per_show: TICKET_TYPES_PER_SHOW_MAX,
        lists_per_show: LISTS_PER_SHOW_MAX,
        zones_per_show: ZONES_PER_SHOW_MAX,
        questions_per_show: QUESTIONS_PER_SHOW_MAX,
        guests_per_party: GUESTS_PER_PARTY_MAX,
        gala_moves: GALA_MOVES_MAX,
        gala_rows: GALA_ROWS_MAX,
        bill_lines: BILL_LINES_MAX,
        card_pending_secs: CARD_PENDING_MAX_SECS,
        bill_ways: BILL_WAYS_MAX,
        items_per_order: ITEMS_PER_ORDER_MAX,
        line_orders: LINE_MAX,
        line_looked: LINE_LOOKED_MAX,
        line_shown: LINE_SHOWN_MAX,
        rooms_per_spa: ROOMS_PER_SPA_MAX,
        catalogue_rows: CATALOGUE_ROWS_MAX,
        catalogue_import_rows: CATALOGUE_IMPORT_ROWS_MAX,
        names_kept_days: NAMES_KEPT_DAYS,
        notice_bytes: NOTICE_MAX_BYTES,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bound_is_forgotten() {
        let told = serde_json::to_value(table(Rates::FREE)).unwrap();
        for (name, bound) in told.as_object().unwrap() {
            let free = name.starts_with("requestsPer");
            assert_eq!(bound == &serde_json::json!(0), free, "{name} is {bound}");
        }
    }
}
