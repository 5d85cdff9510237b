#![doc = include_str!("../README.md")]

pub mod apply_layout;
mod bring;
mod carry_out;
pub mod change_guest;
pub mod change_level;
pub mod change_reservation;
pub mod change_section;
pub mod change_settings;
pub mod change_table;
mod choose;
pub mod create_level;
pub mod create_section;
pub mod create_table;
pub mod dashboard;
pub mod delete_guest;
pub mod delete_level;
pub mod delete_section;
pub mod delete_table;
pub mod erase_person;
pub mod error;
mod event;
pub mod expire_holds;
mod floor;
pub mod join_guests;
pub mod keep_keyframes;
mod look_back;
pub mod model;
mod move_at_once;
pub mod my_reservations;
pub mod plan;
pub mod quote;
pub mod quote_anew;
pub mod reads;
pub mod receive_guest;
pub mod reservation;
pub mod reservation_reads;
pub mod reserve_table;
pub mod run_batch;
pub mod save_layout;
pub mod save_tables;
pub mod seat_guest;
mod seating;
mod secret;
pub mod settings;
pub mod share_place;
pub mod snapshot;
pub mod step_guest;
pub mod step_reservation;
pub mod store;
mod summon;
pub mod sync;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use error::FloorError;
pub use event::EVENTS;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    reads::get_floor,
    reads::list_tables,
    reads::get_table,
    reads::list_levels,
    reads::list_sections,
    reads::list_layouts,
    reads::get_layout,
    reads::get_settings,
    reads::list_guests,
    reads::get_guest,
    create_table::post_table,
    change_table::patch_table,
    delete_table::delete_table,
    save_tables::put_tables,
    create_level::post_level,
    change_level::patch_level,
    delete_level::delete_level,
    create_section::post_section,
    change_section::patch_section,
    delete_section::delete_section,
    save_layout::post_layout,
    save_layout::delete_layout,
    apply_layout::put_layout,
    change_settings::put_settings,
    receive_guest::post_guest,
    change_guest::patch_guest,
    delete_guest::delete_guest,
    seat_guest::post_seat,
    seat_guest::post_move,
    join_guests::post_merge,
    join_guests::post_swap,
    join_guests::post_split,
    step_guest::post_notify,
    step_guest::post_arrive,
    step_guest::post_cancel,
    step_guest::post_no_show,
    step_guest::post_unseat,
    step_guest::post_complete,
    step_guest::post_undo,
    share_place::post_link,
    share_place::get_place,
    run_batch::post_batch,
    reserve_table::post_hold,
    reserve_table::post_book,
    reserve_table::post_reservation,
    change_reservation::patch_reservation,
    step_reservation::post_arrive,
    step_reservation::post_cancel_reservation,
    step_reservation::post_no_show_reservation,
    reservation_reads::list_reservations,
    reservation_reads::list_broken,
    reservation_reads::get_reservation,
    reservation_reads::get_availability,
    my_reservations::list_my_reservations,
    quote::get_quote,
    quote::get_waitlist,
    dashboard::get_dashboard,
    sync::get_sync,
))]
pub struct Api;

/// The slice's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    // What is asked most stands first: actix tries them in this order.
    cfg.service(change_table::patch_table)
        .service(reads::get_floor)
        .service(reads::list_tables)
        .service(reads::get_table)
        .service(reads::list_levels)
        .service(reads::list_sections)
        .service(reads::list_layouts)
        .service(reads::get_layout)
        .service(reads::get_settings)
        .service(reads::list_guests)
        .service(reads::get_guest)
        .service(create_table::post_table)
        .service(delete_table::delete_table)
        .service(save_tables::put_tables)
        .configure(level_routes)
        .service(create_section::post_section)
        .service(change_section::patch_section)
        .service(delete_section::delete_section)
        .service(save_layout::post_layout)
        .service(save_layout::delete_layout)
        .service(apply_layout::put_layout)
        .service(change_settings::put_settings)
        .configure(guest_routes)
        .service(run_batch::post_batch)
        .configure(reservation_routes)
        .service(quote::get_quote)
        .service(quote::get_waitlist)
        .service(dashboard::get_dashboard)
        .service(sync::get_sync);
}

fn level_routes(cfg: &mut ServiceConfig) {
    cfg.service(create_level::post_level)
        .service(change_level::patch_level)
        .service(delete_level::delete_level);
}

fn guest_routes(cfg: &mut ServiceConfig) {
    cfg.service(receive_guest::post_guest)
        .service(change_guest::patch_guest)
        .service(delete_guest::delete_guest)
        .service(seat_guest::post_seat)
        .service(seat_guest::post_move)
        .service(join_guests::post_merge)
        .service(join_guests::post_swap)
        .service(join_guests::post_split)
        .service(step_guest::post_notify)
        .service(step_guest::post_arrive)
        .service(step_guest::post_cancel)
        .service(step_guest::post_no_show)
        .service(step_guest::post_unseat)
        .service(step_guest::post_complete)
        .service(step_guest::post_undo)
        .service(share_place::post_link)
        .service(share_place::get_place);
}

fn reservation_routes(cfg: &mut ServiceConfig) {
    cfg.service(reserve_table::post_hold)
        .service(reserve_table::post_book)
        .service(reserve_table::post_reservation)
        .service(change_reservation::patch_reservation)
        .service(step_reservation::post_arrive)
        .service(step_reservation::post_cancel_reservation)
        .service(step_reservation::post_no_show_reservation)
        .service(reservation_reads::list_reservations)
        .service(reservation_reads::list_broken)
        .service(reservation_reads::get_reservation)
        .service(reservation_reads::get_availability)
        .service(my_reservations::list_my_reservations);
}
