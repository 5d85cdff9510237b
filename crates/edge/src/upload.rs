//! A body that is a file: its kind, its size and its deadline. What is in it is for the slice.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use kernel::problem::Problem;

use crate::body::{read, too_slow};
use crate::late::decided;
use crate::limits::{BODY_MAX, UPLOAD_MAX_BYTES};
use crate::rejection::Rejection;
use crate::sheet::Format;
use crate::token::sha256;

/// A table that was sent as a file, CSV or a workbook.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What it is, as `Content-Type` says.
    pub format: Format,
    /// The file.
    pub bytes: Bytes,
    pub(crate) hash: [u8; 32],
}

impl FromRequest for Upload {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let format = kind.and_then(format_of);
        let (payload, decided) = (payload.take(), decided(request));
        Box::pin(async move {
            let file = match format {
                Some(format) => file(format, payload).await,
                None => Err(not_a_table()),
            };
            if file.is_err() {
                decided.await;
            }
            file
        })
    }
}

async fn file(format: Format, payload: Payload) -> Result<Upload, Rejection> {
    let bytes = tokio::time::timeout(BODY_MAX, read(payload, UPLOAD_MAX_BYTES))
        .await
        .map_err(|_| Rejection::from(too_slow()))??;
    Ok(Upload { format, hash: sha256(&bytes), bytes })
}

fn format_of(kind: &str) -> Option<Format> {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    [Format::Csv, Format::Xlsx].into_iter().find(|format| format.essence() == essence)
}

fn not_a_table() -> Rejection {
    let detail = format!(
        "Send a table with Content-Type: {} or {}.",
        Format::Csv.essence(),
        Format::Xlsx.essence()
    );
    Problem::new(415, "not_a_table", "The body is not a table", detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_read_as_people_write_it() {
        assert_eq!(format_of("Text/CSV; charset=utf-8"), Some(Format::Csv));
        assert_eq!(format_of(Format::Xlsx.media_type()), Some(Format::Xlsx));
        assert_eq!(format_of("application/json"), None);
    }
}
