//! The bounds of the API: one table in code, served at `/api/v1/limits`.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::rate::Rates;

/// A request's head, in bytes.
pub const HEAD_MAX_BYTES: usize = 16 * 1024;
/// A body, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;
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
/// Live holds of one customer in a venue.
pub const LIVE_HOLDS_PER_CUSTOMER_MAX: i64 = 2;
/// A hold in all, with its extensions, in seconds.
pub const HOLD_MAX_SECS: i32 = 15 * 60;
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
/// Venues that one WebSocket listens to.
pub const VENUES_PER_SOCKET_MAX: usize = 32;

/// How long a pairing code may be used, in seconds.
pub const PAIRING_SECS: u32 = 600;

/// The bounds, as the API tells them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// A body, in bytes.
    body_bytes: usize,
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
    /// Live holds of one customer in a venue.
    live_holds_per_customer: i64,
    /// A hold in all, with its extensions, in seconds.
    hold_secs: i32,
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
    /// Venues that one WebSocket listens to.
    venues_per_socket: usize,
    /// A request's head, in bytes.
    head_bytes: usize,
    /// Requests of one user or device, per second; 0 is no limit.
    requests_per_user_per_sec: u32,
    /// Requests of one address, per second; 0 is no limit.
    requests_per_address_per_sec: u32,
    /// Requests for one venue that one worker answers, per second; 0 is no limit.
    requests_per_venue_per_sec: u32,
    /// How long a pairing code may be used, in seconds.
    pairing_secs: u32,
}

/// The table, with the rates of this worker.
#[must_use]
pub fn table(rates: Rates) -> Limits {
    Limits {
        body_bytes: BODY_MAX_BYTES,
        body_secs: BODY_MAX.as_secs(),
        handler_secs: HANDLER_MAX.as_secs(),
        json_depth: JSON_DEPTH_MAX,
        page_default: PAGE_DEFAULT,
        page_max: PAGE_MAX,
        seats_per_hold: SEATS_PER_HOLD_MAX,
        live_holds_per_customer: LIVE_HOLDS_PER_CUSTOMER_MAX,
        hold_secs: HOLD_MAX_SECS,
        seats_per_show: SEATS_PER_SHOW_MAX,
        key_chars_min: KEY_MIN_CHARS,
        key_chars_max: KEY_MAX_CHARS,
        key_hours: 24,
        frame_bytes: FRAME_IN_MAX_BYTES,
        frames_per_sec: FRAMES_IN_PER_SEC_MAX,
        socket_queue_bytes: QUEUE_OUT_MAX_BYTES,
        sockets_per_user: SOCKETS_PER_USER_MAX,
        venues_per_socket: VENUES_PER_SOCKET_MAX,
        head_bytes: HEAD_MAX_BYTES,
        requests_per_user_per_sec: rates.user.per_sec,
        requests_per_address_per_sec: rates.address.per_sec,
        requests_per_venue_per_sec: rates.venue.per_sec,
        pairing_secs: PAIRING_SECS,
    }
}
