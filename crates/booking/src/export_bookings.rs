//! The bookings of a show as a file, for those who work with a list.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};
use edge::limits::EXPORT_ROWS_MAX;
use edge::sheet::{Cell, Format, Sheet};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use kernel::money::Money;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::BookingError;
use crate::model::{Booking, BookingStatus};
use crate::reads::ShowPath;
use crate::store::{bookings, shows};

const COLUMNS: [&str; 9] =
    ["code", "status", "name", "email", "seats", "count", "minor units", "currency", "booked at"];

/// What the file is.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    /// Text with commas, UTF-8.
    #[default]
    Csv,
    /// A workbook.
    Xlsx,
}

/// Which bookings, and as what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Export {
    /// `csv` unless given.
    #[serde(default)]
    #[param(inline, required = false)]
    format: ExportFormat,
    /// In this status.
    status: Option<BookingStatus>,
}

/// Export bookings
///
/// All of a show as CSV or XLSX, oldest first, at most 25,000. A text that a spreadsheet would take
/// for a formula gets a `'` before it.
#[utoipa::path(
    operation_id = "exportBookings", tag = "booking", params(ShowPath, Export),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/shows/{show}/bookings/export")]
pub(crate) async fn get_bookings_export(
    actor: Actor<can::ListBookings>,
    at: Path<ShowPath>,
    query: edge::Query<Export>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (show, status) = (at.show, query.status);
    let found = app
        .read(&actor, async |q| {
            shows::find_show(q, show).await?.ok_or(BookingError::NoSuchShow)?;
            Ok::<_, BookingError>(
                bookings::list_of_show(q, show, status, EXPORT_ROWS_MAX.into()).await?,
            )
        })
        .await?;
    let format = match query.format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Xlsx => Format::Xlsx,
    };
    let name = format!("attachment; filename=\"bookings-{show}.{}\"", format.extension());
    // Thousands of rows would keep this thread from its other requests.
    let bytes = web::block(move || sheet(&found).write(format)).await;
    let bytes = bytes.map_err(|_| edge::sheet::failed())?.map_err(|_| edge::sheet::failed())?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .insert_header((CONTENT_DISPOSITION, name))
        .body(bytes))
}

fn sheet(found: &[Booking]) -> Sheet {
    let mut sheet = Sheet::new("Bookings", &COLUMNS);
    for booking in found {
        let Money { amount, currency } = booking.price;
        sheet.push([
            Cell::text(&booking.code),
            Cell::text(booking.status.as_str()),
            Cell::text(&booking.customer.name),
            Cell::text(booking.customer.email.as_deref().unwrap_or_default()),
            Cell::text(&booking.seats.join(" ")),
            Cell::Number(i64::try_from(booking.seats.len()).unwrap_or(0)),
            Cell::Number(amount),
            Cell::text(currency.as_str()),
            Cell::text(&kernel::time::text(booking.created_at)),
        ]);
    }
    sheet
}
