//! What can be looked at.

use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use edge::limits::BILL_WAYS_MAX;
use edge::page::{Items, Page};
use edge::token::sha256;
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use jiff::civil::Date;
use kernel::ids::{DrawerId, PaymentId};
use kernel::problem::Problem;
use pg::Reader;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::PaymentError;
use crate::bill::Bill;
use crate::close_drawer::{DrawerReport, report};
use crate::model::{
    BillView, Drawer, DrawerStatus, Method, Payment, PaymentStatus, Refund, RefundStatus, Voucher,
};
use crate::money::split;
use crate::paths::{BillPath, DrawerPath, PaymentPath, RefundPath, VenuePath};
use crate::receipt::{COLUMNS_MAX, COLUMNS_MIN, COLUMNS_USUAL, Receipt, page, print};
use crate::report::DayReport;
use crate::settings::Settings;
use crate::store::payments::Wanted;
use crate::store::receipts::{self, For};
use crate::store::{bills, drawers, house, payments, refunds, reports, vouchers};
use crate::voucher_code::code_hash;

/// In how many shares.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Ways {
    /// Adds `shares`: what is left, split so many ways to the cent.
    #[param(minimum = 1, maximum = 50)]
    pub ways: Option<u16>,
}

/// Which payments; what is absent is any.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PaymentFilter {
    /// Taken on this business day.
    #[param(value_type = Option<String>, format = Date)]
    pub day: Option<Date>,
    /// For subjects of this kind.
    pub subject_kind: Option<String>,
    /// For this subject.
    pub subject_id: Option<Uuid>,
    /// Into this drawer.
    pub drawer: Option<DrawerId>,
    /// This way.
    #[param(inline)]
    pub method: Option<Method>,
    /// `pending`, `succeeded` or `failed`; those that were refunded have succeeded.
    #[param(inline)]
    pub status: Option<PaymentStatus>,
}

/// Which refunds; what is absent is any.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RefundFilter {
    /// Where they stand: `waiting` for those that a second person decides.
    #[param(inline)]
    pub status: Option<RefundStatus>,
    /// Of this payment.
    pub payment: Option<PaymentId>,
}

/// Which drawers; what is absent is any.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DrawerFilter {
    /// Where they stand.
    #[param(inline)]
    pub status: Option<DrawerStatus>,
}

/// Which vouchers.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VoucherFilter {
    /// The one of this code.
    pub code: Option<String>,
    /// Those whose code ends so.
    pub hint: Option<String>,
}

/// How wide the paper is.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paper {
    /// Characters of a line, for text: 42 unless given, 48 on some printers.
    #[param(minimum = 24, maximum = 64)]
    pub columns: Option<u16>,
}

/// Which day.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WhichDay {
    /// By the venue's clock; today unless given.
    #[param(value_type = Option<String>, format = Date)]
    pub day: Option<Date>,
}

/// The secret by which a customer pays for themselves.
const BILL_TOKEN: &str = "Bill-Token";

/// The secret that was sent, if one was.
pub(crate) fn given_token(request: &HttpRequest) -> Option<&str> {
    let token = request.headers().get(BILL_TOKEN).and_then(|value| value.to_str().ok());
    token.filter(|token| !token.is_empty())
}

pub(crate) fn no_token() -> Rejection {
    let detail = "Send the secret of the order or booking in the header Bill-Token.";
    Problem::new(400, "token_missing", "The Bill-Token is missing", detail).into()
}

/// Whether the hash of a token is the bill's.
pub(crate) fn check_token(bill: &Bill, hash: Option<&[u8]>) -> Result<(), PaymentError> {
    match (&bill.secret_hash, hash) {
        // Hashes of random secrets: how long comparing takes tells nothing about either.
        (Some(kept), Some(given)) if kept == given => Ok(()),
        _ => Err(PaymentError::WrongToken),
    }
}

/// Get a bill
///
/// What is to be paid, what was paid, what is left; with `ways` in equal shares.
#[utoipa::path(
    operation_id = "getBill", tag = "payments", params(BillPath, Ways), security(("bearer" = [])),
    responses((status = 200, body = BillView), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/bills/{kind}/{id}")]
pub(crate) async fn get_bill(
    actor: Actor<can::ReadPayments>,
    at: Path<BillPath>,
    ways: Query<Ways>,
    app: web::Data<App>,
) -> Result<web::Json<BillView>, Rejection> {
    let shares = check_ways(ways.ways)?;
    let view = app
        .read(&actor, async |q| {
            let bill = bills::find_bill(q, &at.kind, at.id).await?;
            Ok::<_, PaymentError>(view(&bill.ok_or(PaymentError::NoSuchBill)?, shares))
        })
        .await?;
    Ok(web::Json(view))
}

/// Get one's own bill
///
/// The same for the customer, by the secret of the order or booking.
#[utoipa::path(
    operation_id = "getOwnBill", tag = "payments",
    params(BillPath, Ways,
        ("Bill-Token" = String, Header, description = "The secret of the order or booking")),
    responses((status = 200, body = BillView), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/bills/{kind}/{id}/own")]
pub(crate) async fn get_own_bill(
    actor: Actor<can::PayOwnBill>,
    at: Path<BillPath>,
    ways: Query<Ways>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<web::Json<BillView>, Rejection> {
    let token = sha256(given_token(&request).ok_or_else(no_token)?.as_bytes());
    let shares = check_ways(ways.ways)?;
    let view = app
        .read(&actor, async |q| {
            let bill = bills::find_bill(q, &at.kind, at.id).await?;
            let bill = bill.ok_or(PaymentError::NoSuchBill)?;
            check_token(&bill, Some(&token))?;
            Ok::<_, PaymentError>(view(&bill, shares))
        })
        .await?;
    Ok(web::Json(view))
}

fn check_ways(ways: Option<u16>) -> Result<Option<u16>, Rejection> {
    if ways.is_none_or(|ways| (1..=BILL_WAYS_MAX).contains(&ways)) {
        return Ok(ways);
    }
    let detail = format!("ways is 1 to {BILL_WAYS_MAX}.");
    Err(Problem::new(400, "bad_ways", "The shares cannot be computed", detail).into())
}

fn view(bill: &Bill, ways: Option<u16>) -> BillView {
    let shares = ways.map(|ways| split(bill.rest(), ways)).unwrap_or_default();
    let shares = shares.into_iter().map(|share| bill.money(share)).collect();
    BillView { shares, ..BillView::from(bill) }
}

/// List payments
#[utoipa::path(
    operation_id = "listPayments", tag = "payments", params(VenuePath, PaymentFilter, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Payment>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/payments")]
pub(crate) async fn list_payments(
    actor: Actor<can::ReadPayments>,
    filter: Query<PaymentFilter>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Payment>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let filter = filter.into_inner();
    let wanted = Wanted {
        day: filter.day,
        kind: filter.subject_kind,
        subject: filter.subject_id,
        drawer: filter.drawer,
        method: filter.method,
        status: filter.status,
    };
    let found = app
        .read(&actor, async |q| payments::list_payments(q, (after, limit), &wanted).await)
        .await?;
    let views = found.iter().map(payments::Taken::view).collect();
    Ok(web::Json(Items::of(views, limit, |payment: &Payment| payment.id.0)))
}

/// Get a payment
#[utoipa::path(
    operation_id = "getPayment", tag = "payments", params(PaymentPath), security(("bearer" = [])),
    responses((status = 200, body = Payment), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/payments/{payment}")]
pub(crate) async fn get_payment(
    actor: Actor<can::ReadPayments>,
    at: Path<PaymentPath>,
    app: web::Data<App>,
) -> Result<web::Json<Payment>, Rejection> {
    let found = app
        .read(&actor, async |q| {
            let found = payments::find_payment(q, at.payment).await?;
            found.ok_or(PaymentError::NoSuchPayment)
        })
        .await?;
    Ok(web::Json(found.view()))
}

/// Get a receipt
///
/// As it was issued: JSON, `text/plain` for an 80 mm printer, or `text/html` as `Accept` asks.
#[utoipa::path(
    operation_id = "getReceipt", tag = "payments", params(PaymentPath, Paper),
    security(("bearer" = [])),
    responses(
        (status = 200, content((Receipt = "application/json"), (String = "text/plain"),
                               (String = "text/html"))),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/payments/{payment}/receipt")]
pub(crate) async fn get_receipt(
    actor: Actor<can::ReadPayments>,
    at: Path<PaymentPath>,
    paper: Query<Paper>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let receipt = app
        .read(&actor, async |q| {
            let found = receipts::find_of(q, For::Payment(at.payment)).await?;
            match found {
                Some(receipt) => Ok(receipt),
                None => Err(no_receipt(q, at.payment).await?),
            }
        })
        .await?;
    written(&receipt, &request, paper.columns)
}

/// Get a refund's receipt
///
/// As for a payment.
#[utoipa::path(
    operation_id = "getRefundReceipt", tag = "payments", params(RefundPath, Paper),
    security(("bearer" = [])),
    responses(
        (status = 200, content((Receipt = "application/json"), (String = "text/plain"),
                               (String = "text/html"))),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/refunds/{refund}/receipt")]
pub(crate) async fn get_refund_receipt(
    actor: Actor<can::ReadPayments>,
    at: Path<RefundPath>,
    paper: Query<Paper>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let receipt = app
        .read(&actor, async |q| {
            let found = receipts::find_of(q, For::Refund(at.refund)).await?;
            found.ok_or(PaymentError::NoSuchRefund)
        })
        .await?;
    written(&receipt, &request, paper.columns)
}

async fn no_receipt(q: &mut Reader, id: PaymentId) -> Result<PaymentError, PaymentError> {
    let found = payments::find_payment(q, id).await?.ok_or(PaymentError::NoSuchPayment)?;
    Ok(PaymentError::WrongStatus(found.status()))
}

/// In the first form of `Accept` that there is.
fn written(
    receipt: &Receipt,
    request: &HttpRequest,
    columns: Option<u16>,
) -> Result<HttpResponse, Rejection> {
    let columns = columns.unwrap_or(COLUMNS_USUAL);
    if !(COLUMNS_MIN..=COLUMNS_MAX).contains(&columns) {
        let detail = format!("columns is {COLUMNS_MIN} to {COLUMNS_MAX}.");
        return Err(Problem::new(400, "bad_columns", "The paper is too odd", detail).into());
    }
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let kinds = accept.unwrap_or_default().split(',').filter_map(|it| it.split(';').next());
    for kind in kinds.map(str::trim) {
        let (kind, text) = match kind {
            "text/plain" => ("text/plain; charset=utf-8", print(receipt, columns)),
            "text/html" => ("text/html; charset=utf-8", page(receipt)),
            "application/json" | "*/*" => break,
            _ => continue,
        };
        return Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, kind)).body(text));
    }
    Ok(HttpResponse::Ok().json(receipt))
}

/// List refunds
///
/// Those that wait for a second person too.
#[utoipa::path(
    operation_id = "listRefunds", tag = "payments", params(VenuePath, RefundFilter, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Refund>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/refunds")]
pub(crate) async fn list_refunds(
    actor: Actor<can::ReadPayments>,
    filter: Query<RefundFilter>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Refund>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let (status, payment) = (filter.status, filter.payment);
    let found = app
        .read(&actor, async |q| refunds::list_refunds(q, (after, limit), status, payment).await)
        .await?;
    Ok(web::Json(Items::of(found, limit, |refund| refund.id.0)))
}

/// Get a refund
#[utoipa::path(
    operation_id = "getRefund", tag = "payments", params(RefundPath), security(("bearer" = [])),
    responses((status = 200, body = Refund), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/refunds/{refund}")]
pub(crate) async fn get_refund(
    actor: Actor<can::ReadPayments>,
    at: Path<RefundPath>,
    app: web::Data<App>,
) -> Result<web::Json<Refund>, Rejection> {
    let found = app
        .read(&actor, async |q| {
            let found = refunds::find_refund(q, at.refund).await?;
            found.ok_or(PaymentError::NoSuchRefund)
        })
        .await?;
    Ok(web::Json(found))
}

/// List vouchers
///
/// All, the one of a `code`, or those whose code ends with `hint`; with what is left of them.
#[utoipa::path(
    operation_id = "listVouchers", tag = "payments", params(VenuePath, VoucherFilter, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Voucher>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/vouchers")]
pub(crate) async fn list_vouchers(
    actor: Actor<can::ReadPayments>,
    filter: Query<VoucherFilter>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Voucher>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app
        .read(&actor, async |q| match &filter.code {
            Some(code) => {
                let found = vouchers::find_by_code(q, &code_hash(code)).await?;
                Ok::<_, PaymentError>(found.into_iter().collect())
            }
            None => Ok(vouchers::list_vouchers(q, (after, limit), filter.hint.as_deref()).await?),
        })
        .await?;
    Ok(web::Json(Items::of(found, limit, |voucher: &Voucher| voucher.id.0)))
}

/// List drawers
#[utoipa::path(
    operation_id = "listDrawers", tag = "payments", params(VenuePath, DrawerFilter, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Drawer>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/drawers")]
pub(crate) async fn list_drawers(
    actor: Actor<can::UseDrawers>,
    filter: Query<DrawerFilter>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Drawer>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let status = filter.status;
    let found =
        app.read(&actor, async |q| drawers::list_drawers(q, (after, limit), status).await).await?;
    Ok(web::Json(Items::of(found, limit, |drawer: &Drawer| drawer.id.0)))
}

/// Report on a drawer
///
/// While it is open an X report: what should be in it now. Once it is closed the Z report that
/// closing it made.
#[utoipa::path(
    operation_id = "getDrawerReport", tag = "payments", params(DrawerPath),
    security(("bearer" = [])), responses((status = 200, body = DrawerReport), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/drawers/{drawer}/report")]
pub(crate) async fn get_drawer_report(
    actor: Actor<can::UseDrawers>,
    at: Path<DrawerPath>,
    app: web::Data<App>,
) -> Result<web::Json<DrawerReport>, Rejection> {
    let report = app.read(&actor, async |q| drawer_report(q, at.drawer).await).await?;
    Ok(web::Json(report))
}

async fn drawer_report(q: &mut Reader, id: DrawerId) -> Result<DrawerReport, PaymentError> {
    if let Some(closed) = drawers::find_close(q, id).await? {
        return Ok(closed);
    }
    let drawer = drawers::find_drawer(q, id).await?.ok_or(PaymentError::NoSuchDrawer)?;
    let venue = q.venue()?;
    let params: [&(dyn pg::ToSql + Sync); 2] = [&venue, &id];
    let queries = [drawers::figures_query(&params), drawers::methods_query(&params)];
    let [sums, methods] = q.pipeline(queries).await?;
    let methods = reports::method_sums(&methods, drawer.float.currency)?;
    Ok(report(&drawer, drawers::figures(&sums)?, methods))
}

/// Report on a business day
///
/// By method and by cashier, with what went back and the receipts of the day.
#[utoipa::path(
    operation_id = "getDayReport", tag = "payments", params(VenuePath, WhichDay),
    security(("bearer" = [])), responses((status = 200, body = DayReport), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/payments/report")]
pub(crate) async fn get_day_report(
    actor: Actor<can::ReadPayments>,
    day: Query<WhichDay>,
    app: web::Data<App>,
) -> Result<web::Json<DayReport>, Rejection> {
    let report = app
        .read(&actor, async |q| {
            let house = house::read_house(q).await?;
            let day = day.day.unwrap_or_else(|| house.today(app.clock()));
            reports::day_report(q, &house, day).await
        })
        .await?;
    Ok(web::Json(report))
}

/// Get the payment settings
#[utoipa::path(
    operation_id = "getPaymentSettings", tag = "payments", params(VenuePath),
    security(("bearer" = [])), responses((status = 200, body = Settings), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/payments/settings")]
pub(crate) async fn get_settings(
    actor: Actor<can::ReadPayments>,
    app: web::Data<App>,
) -> Result<web::Json<Settings>, Rejection> {
    let house = app.read(&actor, async |q| house::read_house(q).await).await?;
    Ok(web::Json(house.settings))
}
