#![doc = include_str!("../README.md")]

mod access;
pub mod allocate_seats;
pub mod book_bundle;
pub mod book_seats;
pub mod booking_tickets;
pub mod bundle;
pub mod cancel_booking;
pub mod cancel_show;
pub mod carry_out;
pub mod change_booking;
pub mod change_show;
pub mod choice;
pub mod create_show;
mod equal_seats;
pub mod erase_person;
pub mod error;
mod event;
mod expire_bookings;
pub mod expire_holds;
pub mod export_bookings;
pub mod extend_bundle;
pub mod extend_hold;
pub mod figures;
mod front;
mod hold_at_once;
mod hold_best;
pub mod hold_seats;
pub mod hold_shows;
pub mod join_line;
pub mod lay_out_show;
pub mod line;
pub mod model;
pub mod move_booking;
pub mod move_lines;
pub mod offer_seats;
mod pass;
mod paying;
pub mod plan;
pub mod reads;
pub mod release_bundle;
pub mod release_hold;
mod release_withheld;
pub mod request;
pub mod request_seal;
pub mod save_layout;
pub mod seat_map;
mod seat_maps;
mod secret;
pub mod set_line;
pub mod settle;
pub mod snapshot;
pub mod store;
pub mod tables;
mod tried;
pub mod wait_for_seats;
pub mod waiting;
pub mod withhold_seats;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use error::BookingError;
pub use event::EVENTS;
pub use settle::Bookings;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    reads::list_shows,
    reads::get_show,
    seat_map::get_seat_map,
    reads::list_layouts,
    reads::list_bookings,
    reads::get_booking,
    booking_tickets::get_booking_tickets,
    reads::list_my_bookings,
    create_show::post_show,
    change_show::patch_show,
    cancel_show::post_cancel_show,
    lay_out_show::put_layout,
    save_layout::post_layout,
    waiting::list_waitlist,
    waiting::list_my_waitlist,
    wait_for_seats::post_waitlist,
    wait_for_seats::post_accept_offer,
    wait_for_seats::delete_waiting,
    line::get_line,
    line::get_my_place,
    set_line::put_line,
    join_line::post_line,
    join_line::delete_my_place,
    request::get_request,
    allocate_seats::list_allocations,
    allocate_seats::put_allocation,
    allocate_seats::delete_allocation,
    withhold_seats::post_withhold,
    withhold_seats::post_release,
    hold_seats::post_hold,
    extend_hold::post_extend_hold,
    release_hold::delete_hold,
    book_seats::post_booking,
    cancel_booking::post_cancel_booking,
    change_booking::patch_booking,
    move_booking::post_move_booking,
    hold_shows::post_hold_shows,
    extend_bundle::post_extend_bundle,
    release_bundle::delete_bundle,
    book_bundle::post_book_bundle,
    export_bookings::get_bookings_export,
    figures::get_show_figures,
))]
pub struct Api;

/// The slice's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    // What is asked most stands first: actix tries them in this order.
    cfg.service(hold_seats::post_hold)
        .service(reads::list_shows)
        .service(reads::get_show)
        .service(seat_map::get_seat_map)
        .service(reads::list_layouts)
        .service(reads::list_bookings)
        .service(reads::get_booking)
        .service(booking_tickets::get_booking_tickets)
        .service(reads::list_my_bookings)
        .service(create_show::post_show)
        .service(change_show::patch_show)
        .service(cancel_show::post_cancel_show)
        .service(lay_out_show::put_layout)
        .service(save_layout::post_layout)
        .service(waiting::list_waitlist)
        .service(waiting::list_my_waitlist)
        .service(wait_for_seats::post_waitlist)
        .service(wait_for_seats::post_accept_offer)
        .service(wait_for_seats::delete_waiting)
        .service(line::get_line)
        .service(line::get_my_place)
        .service(set_line::put_line)
        .service(join_line::post_line)
        .service(join_line::delete_my_place)
        .service(request::get_request)
        .service(allocate_seats::list_allocations)
        .service(allocate_seats::put_allocation)
        .service(allocate_seats::delete_allocation)
        .service(withhold_seats::post_withhold)
        .service(withhold_seats::post_release)
        .service(extend_hold::post_extend_hold)
        .service(release_hold::delete_hold)
        .service(book_seats::post_booking)
        .service(cancel_booking::post_cancel_booking)
        .service(change_booking::patch_booking)
        .service(move_booking::post_move_booking)
        .service(hold_shows::post_hold_shows)
        .service(extend_bundle::post_extend_bundle)
        .service(release_bundle::delete_bundle)
        .service(book_bundle::post_book_bundle)
        .service(export_bookings::get_bookings_export)
        .service(figures::get_show_figures);
}
