//! What a card provider tells us by itself. The signature covers the bytes as they came.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use bytes::BytesMut;
use edge::limits::NOTICE_MAX_BYTES;
use edge::{Actor, App, Path, Rejection, WriteRefusals, can};
use futures_util::StreamExt;
use kernel::problem::Problem;

use crate::PaymentError;
use crate::learn::heed;
use crate::learn_refund::heed_return;
use crate::paths::ProviderPath;
use crate::provider::{BadMessage, Message};
use crate::till::Till;

/// How long it may take to arrive.
const NOTICE_MAX: Duration = Duration::from_secs(5);

/// Receive a provider's notice
///
/// For card providers alone. A notice that is not signed by the provider, or is too old, is 400. It
/// takes effect once, however often and in whatever order notices come.
#[utoipa::path(
    operation_id = "receiveNotice", tag = "payments", params(ProviderPath),
    request_body(content = Object, description = "As the provider signs it"),
    responses((status = 200, description = "Taken"), WriteRefusals)
)]
#[post("/api/v1/payments/webhooks/{provider}")]
pub(crate) async fn post_notice(
    _: Actor<can::Enter>,
    at: Path<ProviderPath>,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<HttpResponse, Rejection> {
    let refused = |error: PaymentError| Rejection::of(&error);
    let provider = till.provider(&at.provider).map_err(refused)?;
    let header = request.headers().get(provider.signature_header());
    let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = tokio::time::timeout(NOTICE_MAX, read(payload)).await.map_err(|_| too_slow())??;
    let message = provider.read(&header, &body, app.clock().now()).map_err(|bad| {
        metrics::counter!("payments_notices_refused_total").increment(1);
        refused(match bad {
            BadMessage::Signature => PaymentError::BadSignature,
            BadMessage::Shape => PaymentError::BadNotice,
        })
    })?;
    let (app, till, name) = (app.clone(), till.clone(), provider.name());
    // In a task of its own: a provider that hangs up does not stop it half-way.
    let heeding = actix_web::rt::spawn(async move {
        match message {
            Message::Notice(notice) => heed(&app, &till, name, &notice).await,
            Message::Returned(notice) => heed_return(&app, &till, name, &notice).await,
            Message::Other => Ok(()),
        }
    });
    match heeding.await {
        // What we do not know is somebody else's, or of a database that is gone: the provider need
        // not come again.
        Ok(
            Ok(())
            | Err(
                PaymentError::NoSuchPayment | PaymentError::NoSuchBill | PaymentError::NoSuchRefund,
            ),
        ) => Ok(taken()),
        Ok(Err(error)) => Err(Rejection::of(&error)),
        Err(_) => Err(Rejection::of(&PaymentError::NobodySettles)),
    }
}

fn taken() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "received": true }))
}

async fn read(mut payload: web::Payload) -> Result<BytesMut, Rejection> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Rejection::of(&PaymentError::BadNotice))?;
        if bytes.len() + chunk.len() > NOTICE_MAX_BYTES {
            let detail = format!("A notice has at most {NOTICE_MAX_BYTES} bytes.");
            let title = "The body is too large";
            return Err(Problem::new(413, "body_too_large", title, detail).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_slow() -> Problem {
    let detail = format!("The body did not arrive within {} seconds.", NOTICE_MAX.as_secs());
    Problem::new(408, "body_too_slow", "The body came too slowly", detail)
}
