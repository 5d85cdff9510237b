#![doc = include_str!("../README.md")]

pub mod alert_reads;
pub mod alerts;
pub mod batch;
pub mod change_list;
pub mod change_question;
mod change_rule;
pub mod change_ticket;
pub mod change_type;
pub mod change_zone;
pub mod code;
pub mod create_list;
pub mod create_question;
pub mod create_type;
pub mod create_zone;
pub mod erase_person;
pub mod error;
mod event;
pub mod force_scan;
pub mod forget_scans;
pub mod holders;
pub mod import_tickets;
pub mod issue_tickets;
mod judge;
pub mod keeper;
mod letter;
pub mod mail_tickets;
mod merge;
pub mod merge_scans;
pub mod model;
pub mod of_booking;
pub mod offline_bundle;
pub mod open_doors;
mod plan;
mod present;
pub mod qr;
pub mod reads;
pub mod reissue_ticket;
pub mod revoke_ticket;
pub mod rotate_keys;
pub mod rules;
pub mod scan;
pub mod scan_reads;
pub mod scan_ticket;
mod secret;
pub mod send_tickets;
pub mod settle_conflict;
pub mod show_ticket;
pub mod statistics;
pub mod store;
pub mod undo_scan;
pub mod watch_doors;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use error::TicketsError;
pub use event::EVENTS;
pub use keeper::Keeper;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    paths(
    reads::get_doors,
    reads::get_rules,
    reads::list_tickets,
    reads::get_ticket,
    open_doors::put_doors,
    rotate_keys::post_rotate_key,
    create_type::post_type,
    create_list::post_list,
    create_zone::post_zone,
    create_question::post_question,
    issue_tickets::post_tickets,
    scan_ticket::post_scan,
    force_scan::post_force_scan,
    merge_scans::post_scan_batch,
    undo_scan::post_undo_scan,
    settle_conflict::post_settle,
    offline_bundle::get_offline_bundle,
    scan_reads::list_scans,
    scan_reads::export_scans,
    change_type::put_kind,
    change_type::delete_kind,
    change_list::put_list,
    change_list::delete_list,
    change_zone::put_zone,
    change_zone::delete_zone,
    change_question::put_question,
    change_question::delete_question,
    change_ticket::patch_ticket,
    revoke_ticket::post_revoke,
    reissue_ticket::post_reissue,
    import_tickets::post_import,
    send_tickets::post_send,
    send_tickets::post_send_all,
    qr::get_qr,
    show_ticket::post_link,
    show_ticket::get_held,
    show_ticket::get_held_qr,
    statistics::get_figures,
    alert_reads::list_alerts,
    alert_reads::post_seen,
),
    // What the text of a signed bundle says: no response names it.
    components(schemas(offline_bundle::OfflineBundle)),
)]
pub struct Api;

/// The slice's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    // What is asked most stands first: actix tries them in this order.
    cfg.service(scan_ticket::post_scan)
        .service(reads::get_doors)
        .service(reads::get_rules)
        .service(reads::list_tickets)
        .service(reads::get_ticket)
        .service(open_doors::put_doors)
        .service(rotate_keys::post_rotate_key)
        .service(create_type::post_type)
        .service(create_list::post_list)
        .service(create_zone::post_zone)
        .service(create_question::post_question)
        .service(issue_tickets::post_tickets)
        .service(force_scan::post_force_scan)
        .service(merge_scans::post_scan_batch)
        .service(undo_scan::post_undo_scan)
        .service(settle_conflict::post_settle)
        .service(offline_bundle::get_offline_bundle)
        .service(scan_reads::list_scans)
        .service(scan_reads::export_scans)
        .configure(ticket_routes);
}

/// What becomes of tickets and rules after they were made, and what is seen of the doors.
fn ticket_routes(cfg: &mut ServiceConfig) {
    cfg.service(change_type::put_kind)
        .service(change_type::delete_kind)
        .service(change_list::put_list)
        .service(change_list::delete_list)
        .service(change_zone::put_zone)
        .service(change_zone::delete_zone)
        .service(change_question::put_question)
        .service(change_question::delete_question)
        .service(change_ticket::patch_ticket)
        .service(revoke_ticket::post_revoke)
        .service(reissue_ticket::post_reissue)
        .service(import_tickets::post_import)
        .service(send_tickets::post_send)
        .service(send_tickets::post_send_all)
        .service(qr::get_qr)
        .service(show_ticket::post_link)
        .service(show_ticket::get_held)
        .service(show_ticket::get_held_qr)
        .service(statistics::get_figures)
        .service(alert_reads::list_alerts)
        .service(alert_reads::post_seen);
}

/// The page on which a holder sees their ticket.
pub fn pages(cfg: &mut ServiceConfig) {
    cfg.service(show_ticket::page).service(show_ticket::script);
}
