#![doc = include_str!("../README.md")]

pub mod bill;
pub mod cancel_payment;
mod cards;
pub mod change_settings;
pub mod close_drawer;
pub mod decide_refund;
pub mod discount_bill;
pub mod erase_person;
pub mod error;
mod event;
mod finish;
mod give_back;
pub mod issue_voucher;
mod learn;
mod learn_refund;
pub mod model;
pub mod money;
pub mod open_drawer;
pub mod paths;
pub mod plan;
pub mod provider;
pub mod reads;
pub mod receipt;
pub mod receive_notice;
pub mod refund_payment;
pub mod report;
pub mod run_errands;
pub mod settings;
pub mod store;
pub mod stripe;
pub mod subject;
pub mod take_payment;
pub mod till;
mod voucher_code;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use bill::{
    Afterwards, Bill, Line, NewBill, change_bill, close_bill, find_bill, lock_bill, lock_query,
    locked_bill, open_bill,
};
pub use error::PaymentError;
pub use event::EVENTS;
pub use run_errands::run_errands;
pub use subject::{Fulfilment, Payer, Settle, Settlers, Subject};
pub use till::Till;

/// The operations and their types, for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    reads::get_bill,
    reads::get_own_bill,
    reads::list_payments,
    reads::get_payment,
    reads::get_receipt,
    reads::list_refunds,
    reads::get_refund,
    reads::get_refund_receipt,
    reads::list_vouchers,
    reads::list_drawers,
    reads::get_drawer_report,
    reads::get_day_report,
    reads::get_settings,
    change_settings::put_settings,
    take_payment::post_order_payment,
    take_payment::post_booking_payment,
    take_payment::post_bill_payment,
    cancel_payment::post_cancel_payment,
    refund_payment::post_refund,
    refund_payment::post_void,
    decide_refund::post_approve,
    decide_refund::post_deny,
    decide_refund::post_hand_out,
    discount_bill::post_discount,
    issue_voucher::post_voucher,
    open_drawer::post_drawer,
    open_drawer::post_move,
    close_drawer::post_close,
    receive_notice::post_notice,
))]
pub struct Api;

/// The slice's routes. Words like `report` come before the ids that they would be taken for.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(reads::get_day_report)
        .service(reads::get_settings)
        .service(change_settings::put_settings)
        .service(reads::get_bill)
        .service(reads::get_own_bill)
        .service(reads::list_payments)
        .service(reads::get_payment)
        .service(reads::get_receipt)
        .service(reads::list_refunds)
        .service(reads::get_refund)
        .service(reads::get_refund_receipt)
        .service(reads::list_vouchers)
        .service(reads::list_drawers)
        .service(reads::get_drawer_report)
        .service(take_payment::post_order_payment)
        .service(take_payment::post_booking_payment)
        .service(take_payment::post_bill_payment)
        .service(cancel_payment::post_cancel_payment)
        .service(refund_payment::post_refund)
        .service(refund_payment::post_void)
        .service(decide_refund::post_approve)
        .service(decide_refund::post_deny)
        .service(decide_refund::post_hand_out)
        .service(discount_bill::post_discount)
        .service(issue_voucher::post_voucher)
        .service(open_drawer::post_drawer)
        .service(open_drawer::post_move)
        .service(close_drawer::post_close)
        .service(receive_notice::post_notice);
}
