//! The crate's routes, and what its connections need.

use std::any::Any;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

/// How long sent bytes may stay unacknowledged, or a client's window closed, before the kernel
/// gives the connection up: a client that reads nothing never lets us close it in words.
const UNSENT_MAX: Duration = Duration::from_secs(30);

/// The operations of this crate, for the API's document.
#[derive(OpenApi)]
#[openapi(paths(crate::upgrade::open_socket, crate::poll::list_events))]
pub struct RealtimeApi;

/// The crate's routes. They need `web::Data<edge::App>`, `web::Data<Hub>` and,
/// where pages of other origins may open sockets, `web::Data<Origins>`.
pub fn routes(config: &mut ServiceConfig) {
    config.service(crate::upgrade::open_socket).service(crate::poll::list_events);
}

/// For `HttpServer::on_connect`: no delay by Nagle, no connection that hangs for ever.
pub fn on_connect(connection: &dyn Any, _: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    // A connection that refuses these is only slower.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNSENT_MAX));
}
