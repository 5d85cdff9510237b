//! The crate's routes, and what its connections need.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
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

/// A second hold on the connection, for when it becomes a socket and actix lets go of it.
#[derive(Default)]
pub(crate) struct Line(Cell<Option<OwnedFd>>);

impl Line {
    /// The connection, once.
    pub(crate) fn take(&self) -> io::Result<TcpStream> {
        let line = self.0.take().ok_or(io::ErrorKind::NotConnected)?;
        TcpStream::from_std(line.into())
    }
}

/// For `HttpServer::on_connect`: no delay by Nagle, no connection that hangs for ever, and one that
/// can become a socket.
pub fn on_connect(connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    // Without a descriptor to spare it can still be asked; a handshake is refused.
    extensions.insert(Line(Cell::new(stream.as_fd().try_clone_to_owned().ok())));
    // A connection that refuses these is only slower.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNSENT_MAX));
}
