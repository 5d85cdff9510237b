#![doc = include_str!("../README.md")]

mod accounts;
mod add_member;
mod attempt;
mod change_member;
mod change_venue;
mod erase_person;
mod error;
mod event;
mod export_person;
mod forget_old;
mod keys;
mod log_in;
mod log_out;
mod membership;
mod model;
mod open_venue;
mod password;
mod passwords;
mod reads;
mod refresh_session;
mod refresh_token;
mod register_user;
mod remove_member;
mod seal;
mod session;
mod state;
pub mod store;
mod task;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use accounts::{Person, create_owner, ensure_member, ensure_user, is_empty};
pub use erase_person::{Erased, erase_person, find_person};
pub use error::IdentityError;
pub use event::EVENTS;
pub use export_person::{PersonKept, SessionKept, export_person};
pub use forget_old::forget_old;
pub use keys::Keys;
pub use model::Password;
pub use open_venue::OpenVenue;
pub use passwords::Passwords;
pub use seal::{NotAKey, SealKey};
pub use state::{Identity, Settings};
pub use store::STANDING_SQL;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    register_user::post_register,
    log_in::post_login,
    refresh_session::post_refresh,
    log_out::post_logout,
    reads::get_me,
    open_venue::post_venue,
    reads::list_venues,
    reads::get_venue,
    change_venue::patch_venue,
    reads::list_members,
    add_member::post_member,
    change_member::patch_member,
    remove_member::delete_member,
    reads::get_key_set,
))]
pub struct Api;

/// The slice's routes. They need `web::Data<Identity>` besides the `App`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(register_user::post_register)
        .service(log_in::post_login)
        .service(refresh_session::post_refresh)
        .service(log_out::post_logout)
        .service(reads::get_me)
        .service(open_venue::post_venue)
        .service(reads::list_venues)
        .service(reads::get_venue)
        .service(change_venue::patch_venue)
        .service(reads::list_members)
        .service(add_member::post_member)
        .service(change_member::patch_member)
        .service(remove_member::delete_member)
        .service(reads::get_key_set);
}
