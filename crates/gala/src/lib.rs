#![doc = include_str!("../README.md")]

pub mod assignments;
mod attempt;
mod calendar;
pub mod captain;
pub mod cards;
mod chairs;
pub mod choose_table;
pub mod confirmation;
pub mod erase_person;
pub mod error;
mod event;
pub mod fill_table;
pub mod forget_old;
pub mod import;
mod letters;
mod lines;
pub mod list_tables;
pub mod model;
pub mod move_guests;
mod names;
pub mod open_session;
mod propose;
pub mod reset_tables;
mod roster;
pub mod seat_unseated;
mod seating;
mod secret;
pub mod set_preferences;
pub mod set_up_gala;
pub mod stats;
pub mod store;
pub mod token;
pub mod withhold_tables;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use error::GalaError;
pub use event::EVENTS;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    set_up_gala::get_gala,
    set_up_gala::put_gala,
    list_tables::list_tables,
    open_session::post_session,
    confirmation::get_party,
    choose_table::post_assignment,
    choose_table::delete_assignment,
    confirmation::get_confirmation,
    confirmation::get_qr,
    confirmation::get_calendar,
    set_preferences::put_preferences,
    captain::get_table,
    captain::post_invitation,
    captain::post_withdraw,
    captain::post_open,
    fill_table::post_guests,
    fill_table::post_release,
    captain::post_captain,
    captain::post_dismiss,
    assignments::list_assignments,
    assignments::list_unseated,
    move_guests::post_moves,
    seat_unseated::get_proposal,
    seat_unseated::post_proposal,
    withhold_tables::post_withhold,
    withhold_tables::post_release,
    reset_tables::post_reset,
    import::post_import,
    cards::get_cards,
    stats::get_stats,
))]
pub struct Api;

/// The slice's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(set_up_gala::get_gala)
        .service(set_up_gala::put_gala)
        .service(list_tables::list_tables)
        .service(open_session::post_session)
        .service(confirmation::get_party)
        .service(choose_table::post_assignment)
        .service(choose_table::delete_assignment)
        .service(confirmation::get_confirmation)
        .service(confirmation::get_qr)
        .service(confirmation::get_calendar)
        .service(set_preferences::put_preferences)
        .service(captain::get_table)
        .service(captain::post_invitation)
        .service(captain::post_withdraw)
        .service(captain::post_open)
        .service(fill_table::post_guests)
        .service(fill_table::post_release)
        .service(captain::post_captain)
        .service(captain::post_dismiss)
        .service(assignments::list_assignments)
        .service(assignments::list_unseated)
        .service(move_guests::post_moves)
        .service(seat_unseated::get_proposal)
        .service(seat_unseated::post_proposal)
        .service(withhold_tables::post_withhold)
        .service(withhold_tables::post_release)
        .service(reset_tables::post_reset)
        .service(import::post_import)
        .service(cards::get_cards)
        .service(stats::get_stats);
}
