//! `GET /api/v1/realtime`: the checks before a connection becomes a socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload as Nothing;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use edge::address::ClientAddress;
use edge::token::Claims;
use edge::{Actor, App, Rejection, can};
use kernel::problem::Problem;

use crate::connection::Connection;
use crate::hub::Hub;
use crate::old::OldSocket;
use crate::protocol::PROTOCOL;
use crate::routes::Line;
use crate::session::Session;

/// How long a refused client waits, in seconds.
const RETRY_AFTER_SECS: u32 = 1;

/// Which web pages may open sockets, besides the API's own: `https://app.example.org`.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<String>);

/// Open a socket
///
/// Speaks `rowlock.v1`, see `/events.json`. Authenticate with the first frame, or with the
/// `Authorization` header. A token in the address is refused: addresses end in logs.
#[utoipa::path(
    tag = "realtime", operation_id = "openSocket",
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 400, description = "Not a WebSocket handshake, or something in the query"),
        (status = 401, description = "The token in the header does not count"),
        (status = 403, description = "This origin may not open sockets"),
        (status = 429, description = "Too many sockets of this address are not signed in"),
        (status = 503, description = "This worker restarts: connect again"),
    )
)]
#[get("/api/v1/realtime")]
pub(crate) async fn open_socket(
    _: Actor<can::Listen>,
    request: HttpRequest,
    app: web::Data<App>,
    hub: web::Data<Hub>,
    address: ClientAddress,
) -> Result<HttpResponse, Rejection> {
    check(&request, &hub)?;
    let claims = header_claims(&request, &app)?;
    let response = handshake(&request)?;
    let address = address.household();
    // Whoever brings a token has a place of their own, however many strangers share the address.
    let place = match claims {
        None => Some(hub.counts().greeting(address).ok_or_else(too_many)?),
        Some(_) => None,
    };
    let line = request.conn_data::<Line>().ok_or(io::ErrorKind::NotConnected);
    let stream = line.map_err(io::Error::from).and_then(Line::take).map_err(full)?;
    let mut session = Session::new(app, hub.as_ref().clone(), address, place);
    session.socket.push(&head(&response), hub.seconds());
    if let Some(old) = request.extensions().get::<OldSocket>() {
        session.speak_old(*old);
    }
    if let Some(claims) = claims {
        session.sign_in(0, &claims);
    }
    actix_web::rt::spawn(Connection::new(stream, session).run());
    Ok(response.map_body(|_, _| BoxBody::new(TakenOver)))
}

/// The end of actix' part. A body that fails ends its connection without a word: the head that it
/// was about to send we send ourselves, and the stream lives on in our hands.
struct TakenOver;

/// Not a fault.
#[derive(Debug, thiserror::Error)]
#[error("the connection has become a socket")]
struct BecameSocket;

impl MessageBody for TakenOver {
    type Error = BecameSocket;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BecameSocket>>> {
        Poll::Ready(Some(Err(BecameSocket)))
    }
}

/// The head of the handshake's answer as bytes.
fn head(response: &HttpResponse) -> Bytes {
    let mut head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n".to_vec();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

fn too_many() -> Problem {
    let detail = "Many sockets of this address have not said who they are. Try again in a second.";
    Problem::new(429, "too_many_connections", "Too many connections", detail)
        .retry_after(RETRY_AFTER_SECS)
}

fn full(error: io::Error) -> Problem {
    tracing::warn!(error = %error, "a connection could not become a socket");
    let detail = "This worker has no room for another socket. Connect again: another has.";
    Problem::new(503, "full", "This worker is full", detail).retry_after(RETRY_AFTER_SECS)
}

fn check(request: &HttpRequest, hub: &Hub) -> Result<(), Problem> {
    if !request.query_string().is_empty() {
        let detail = "This address takes no query. Send the token in the first frame or in the \
                      Authorization header: addresses end in logs.";
        return Err(Problem::new(400, "query_refused", "No query is taken here", detail));
    }
    if hub.is_draining() {
        let problem = Problem::new(
            503,
            "restarting",
            "This worker restarts",
            "Connect again: another worker takes over.",
        );
        return Err(problem.retry_after(RETRY_AFTER_SECS));
    }
    if hub.is_full() {
        return Err(full(io::ErrorKind::QuotaExceeded.into()));
    }
    if !origin_may(request) {
        let detail = "This web page may not open sockets. Ask the operator to allow its origin.";
        return Err(Problem::new(403, "origin_refused", "The origin is not allowed", detail));
    }
    Ok(())
}

/// A browser says where its page comes from; native apps say nothing.
fn origin_may(request: &HttpRequest) -> bool {
    let Some(origin) = request.headers().get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, host)| host);
    let others = request.app_data::<web::Data<Origins>>();
    (own.is_some() && own == host)
        || others.is_some_and(|others| others.0.iter().any(|known| known == origin))
}

fn header_claims(request: &HttpRequest, app: &App) -> Result<Option<Claims>, Problem> {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let claims = app.keys().verify(token.unwrap_or_default());
    claims.map(Some).map_err(edge::actor::bad_token)
}

/// The handshake is actix-ws'; its session and stream are dropped, the body is ours.
fn handshake(request: &HttpRequest) -> Result<HttpResponse, Rejection> {
    let not_ours = |detail: &str| {
        Problem::new(400, "not_a_handshake", "Not a WebSocket handshake", detail.to_owned())
    };
    let mut nothing = Nothing::None;
    let empty = web::Payload::from_request(request, &mut nothing).into_inner();
    let empty = empty.map_err(|error| not_ours(&error.to_string()))?;
    let (response, _, _) = actix_ws::handle_with_protocols(request, empty, &[PROTOCOL])
        .map_err(|error| not_ours(&error.to_string()))?;
    let offered = request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL);
    if offered && !response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Err(not_ours("The subprotocol of this API is rowlock.v1.").into());
    }
    Ok(response)
}
