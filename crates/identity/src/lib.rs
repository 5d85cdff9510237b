#![doc = include_str!("../README.md")]

mod accept_invitation;
mod accounts;
mod add_member;
mod approve_device;
mod attempt;
mod begin_oidc;
mod begin_pairing;
mod change_member;
mod change_password;
mod change_venue;
mod deactivate_user;
mod device_error;
mod device_token;
mod devices;
mod end_sessions;
mod erase_person;
mod error;
mod event;
mod exchange_oidc;
mod export_person;
mod finish_oidc;
mod forget_old;
mod invite_member;
mod keys;
mod letters;
mod link_login;
mod log_in;
mod log_out;
mod mailed_link;
mod membership;
mod model;
mod oidc;
mod oidc_error;
mod open_venue;
mod operators;
mod pair_device;
mod password;
mod passwords;
mod present_password;
mod reads;
mod refresh_session;
mod refresh_token;
mod register_user;
mod remove_member;
mod rename_device;
mod report_device;
mod request_reset;
mod reset_password;
mod revoke_device;
mod session;
mod set_up;
mod state;
pub mod store;
mod task;
mod unlink_login;
mod watch_devices;
mod watch_revocations;
mod withdraw_invitation;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use accounts::{
    Person, create_owner, deactivate_account, ensure_member, ensure_user, is_empty,
    reactivate_account,
};
pub use device_error::DeviceError;
pub use edge::seal::{NotAKey, SealKey};
pub use erase_person::{Erased, erase_person, find_person, note_forgotten};
pub use error::IdentityError;
pub use event::EVENTS;
pub use export_person::{InvitationKept, LoginKept, PersonKept, SessionKept, export_person};
pub use forget_old::forget_old;
pub use keys::Keys;
pub use model::Password;
pub use oidc::{ProviderSettings, Providers};
pub use oidc_error::OidcError;
pub use open_venue::OpenVenue;
pub use operators::{list_all_venues, replace_password};
pub use passwords::Passwords;
pub use set_up::{SetupToken, offer_setup};
pub use state::{Identity, Settings};
pub use store::STANDING_SQL;
pub use store::devices::NOTE_REFUSED_SQL;
pub use watch_devices::watch_devices;
pub use watch_revocations::Watch;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    register_user::post_register,
    log_in::post_login,
    refresh_session::post_refresh,
    log_out::post_logout,
    set_up::post_setup,
    begin_oidc::get_providers,
    begin_oidc::get_start,
    finish_oidc::get_callback,
    exchange_oidc::post_exchange,
    unlink_login::list_logins,
    unlink_login::delete_login,
    reads::get_me,
    change_password::post_password,
    request_reset::post_reset_request,
    reset_password::post_reset,
    deactivate_user::post_deactivate,
    deactivate_user::post_reactivate,
    reads::list_sessions,
    end_sessions::delete_session,
    end_sessions::post_end_others,
    accept_invitation::post_accept,
    accept_invitation::post_take,
    open_venue::post_venue,
    reads::list_venues,
    reads::get_venue,
    change_venue::patch_venue,
    reads::list_members,
    add_member::post_member,
    change_member::patch_member,
    remove_member::delete_member,
    reads::list_invitations,
    withdraw_invitation::delete_invitation,
    devices::list_devices,
    begin_pairing::post_pairing,
    pair_device::post_pair,
    approve_device::post_approve,
    revoke_device::post_revoke,
    rename_device::post_rename,
    report_device::post_status,
    device_token::post_challenge,
    device_token::post_token,
    reads::get_key_set,
))]
pub struct Api;

/// The slice's routes. They need `web::Data<Identity>` besides the `App`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(register_user::post_register)
        .service(log_in::post_login)
        .service(refresh_session::post_refresh)
        .service(log_out::post_logout)
        .service(set_up::post_setup)
        .configure(oidc_routes)
        .service(reads::get_me)
        .configure(account_routes)
        .service(open_venue::post_venue)
        .service(reads::list_venues)
        .service(reads::get_venue)
        .service(change_venue::patch_venue)
        .service(reads::list_members)
        .service(add_member::post_member)
        .service(change_member::patch_member)
        .service(remove_member::delete_member)
        .service(reads::list_invitations)
        .service(withdraw_invitation::delete_invitation)
        .configure(device_routes)
        .service(reads::get_key_set);
}

/// Signing in at a provider.
fn oidc_routes(cfg: &mut ServiceConfig) {
    cfg.service(begin_oidc::get_providers)
        .service(begin_oidc::get_start)
        .service(finish_oidc::get_callback)
        .service(exchange_oidc::post_exchange)
        .service(unlink_login::list_logins)
        .service(unlink_login::delete_login);
}

/// Devices, from their code to their tokens.
fn device_routes(cfg: &mut ServiceConfig) {
    cfg.service(devices::list_devices)
        .service(begin_pairing::post_pairing)
        .service(pair_device::post_pair)
        .service(approve_device::post_approve)
        .service(revoke_device::post_revoke)
        .service(rename_device::post_rename)
        .service(report_device::post_status)
        .service(device_token::post_challenge)
        .service(device_token::post_token);
}

/// What a person does about their own account.
fn account_routes(cfg: &mut ServiceConfig) {
    cfg.service(change_password::post_password)
        .service(request_reset::post_reset_request)
        .service(reset_password::post_reset)
        .service(deactivate_user::post_deactivate)
        .service(deactivate_user::post_reactivate)
        .service(reads::list_sessions)
        .service(end_sessions::delete_session)
        .service(end_sessions::post_end_others)
        .service(accept_invitation::post_accept)
        .service(accept_invitation::post_take);
}
