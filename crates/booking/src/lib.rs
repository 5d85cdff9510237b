#![doc = include_str!("../README.md")]

mod access;
pub mod allocate_seats;
pub mod book_seats;
pub mod cancel_booking;
pub mod cancel_show;
pub mod change_show;
pub mod choice;
pub mod create_show;
pub mod erase_person;
pub mod error;
mod event;
pub mod expire_holds;
pub mod extend_hold;
mod front;
mod hold_best;
pub mod hold_seats;
pub mod lay_out_show;
pub mod model;
pub mod offer_seats;
pub mod plan;
pub mod reads;
pub mod release_hold;
mod release_withheld;
pub mod save_layout;
mod secret;
pub mod snapshot;
pub mod store;
pub mod wait_for_seats;
pub mod waiting;
pub mod withhold_seats;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use error::BookingError;
pub use event::EVENTS;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    reads::list_shows,
    reads::get_show,
    reads::get_seat_map,
    reads::list_layouts,
    reads::list_bookings,
    reads::get_booking,
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
))]
pub struct Api;

/// The slice's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(reads::list_shows)
        .service(reads::get_show)
        .service(reads::get_seat_map)
        .service(reads::list_layouts)
        .service(reads::list_bookings)
        .service(reads::get_booking)
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
        .service(allocate_seats::list_allocations)
        .service(allocate_seats::put_allocation)
        .service(allocate_seats::delete_allocation)
        .service(withhold_seats::post_withhold)
        .service(withhold_seats::post_release)
        .service(hold_seats::post_hold)
        .service(extend_hold::post_extend_hold)
        .service(release_hold::delete_hold)
        .service(book_seats::post_booking)
        .service(cancel_booking::post_cancel_booking);
}
