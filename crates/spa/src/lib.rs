#![doc = include_str!("../README.md")]

pub mod call_order;
pub mod cancel_order;
mod carry_out;
pub mod catalogue;
pub mod change_items;
pub mod change_settings;
pub mod claim_next;
pub mod claim_payment;
mod code;
pub mod create_order;
pub mod erase_customer;
pub mod erase_person;
pub mod error;
mod event;
pub mod finish_order;
pub mod forget_names;
pub mod hand_back;
pub mod import_catalogue;
pub mod keep_categories;
pub mod keep_services;
pub mod keep_variants;
pub mod model;
pub mod monitor;
pub mod queues;
pub mod quote;
pub mod reads;
pub mod rooms;
pub mod rotation;
mod secret;
pub mod settings;
pub mod settle;
pub mod shifts;
pub mod snapshot;
pub mod start_order;
pub mod store;
pub mod sweep_claims;
pub mod take_over;
pub mod visit;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use error::SpaError;
pub use event::EVENTS;
pub use settle::Orders;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    catalogue::get_catalogue,
    import_catalogue::get_export,
    import_catalogue::post_import,
    keep_categories::post_category,
    keep_categories::patch_category,
    keep_categories::delete_category,
    keep_services::post_service,
    keep_services::patch_service,
    keep_services::delete_service,
    keep_variants::post_variant,
    keep_variants::patch_variant,
    keep_variants::delete_variant,
    rooms::list_rooms,
    rooms::post_room,
    rooms::patch_room,
    rooms::post_ready,
    rooms::delete_room,
    shifts::list_therapists,
    shifts::list_turns,
    shifts::put_therapist,
    shifts::post_begin,
    shifts::post_break,
    shifts::post_back,
    shifts::post_end,
    change_settings::get_settings,
    change_settings::put_settings,
    create_order::post_order,
    reads::get_order,
    cancel_order::post_cancel,
    erase_customer::post_erase,
    claim_next::post_next,
    call_order::post_call,
    call_order::post_no_show,
    start_order::post_start,
    start_order::post_undo_start,
    change_items::post_item,
    change_items::delete_item,
    finish_order::post_finish,
    hand_back::post_hand_back,
    hand_back::post_heartbeat,
    take_over::post_take_over,
    claim_payment::post_next_payment,
    queues::get_therapist_queue,
    queues::get_cashier_queue,
    monitor::get_monitor,
))]
pub struct Api;

/// The slice's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.configure(house_routes).configure(visit_routes);
}

fn house_routes(cfg: &mut ServiceConfig) {
    cfg.service(catalogue::get_catalogue)
        .service(import_catalogue::get_export)
        .service(import_catalogue::post_import)
        .service(keep_categories::post_category)
        .service(keep_categories::patch_category)
        .service(keep_categories::delete_category)
        .service(keep_services::post_service)
        .service(keep_services::patch_service)
        .service(keep_services::delete_service)
        .service(keep_variants::post_variant)
        .service(keep_variants::patch_variant)
        .service(keep_variants::delete_variant)
        .service(rooms::list_rooms)
        .service(rooms::post_room)
        .service(rooms::patch_room)
        .service(rooms::post_ready)
        .service(rooms::delete_room)
        .service(shifts::list_therapists)
        .service(shifts::list_turns)
        .service(shifts::put_therapist)
        .service(shifts::post_begin)
        .service(shifts::post_break)
        .service(shifts::post_back)
        .service(shifts::post_end)
        .service(change_settings::get_settings)
        .service(change_settings::put_settings);
}

fn visit_routes(cfg: &mut ServiceConfig) {
    cfg.service(create_order::post_order)
        .service(reads::get_order)
        .service(cancel_order::post_cancel)
        .service(erase_customer::post_erase)
        .service(claim_next::post_next)
        .service(call_order::post_call)
        .service(call_order::post_no_show)
        .service(start_order::post_start)
        .service(start_order::post_undo_start)
        .service(change_items::post_item)
        .service(change_items::delete_item)
        .service(finish_order::post_finish)
        .service(hand_back::post_hand_back)
        .service(hand_back::post_heartbeat)
        .service(take_over::post_take_over)
        .service(claim_payment::post_next_payment)
        .service(queues::get_therapist_queue)
        .service(queues::get_cashier_queue)
        .service(monitor::get_monitor);
}
