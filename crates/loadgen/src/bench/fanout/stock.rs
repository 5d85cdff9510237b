//! The stock way: actix-ws with its `Session`, a list of sessions, a loop that sends to each.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::Session;
use anyhow::Result;

const KEEP_ALIVE: Duration = Duration::from_mins(1);

type Sessions = Mutex<Vec<Session>>;

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    actix_web::rt::System::new().block_on(async {
        let sessions = web::Data::new(Sessions::default());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(sessions.clone())
                .route("/ws", web::get().to(open))
                .route("/emit/{count}", web::post().to(emit))
        });
        // Longer than the rests between measurements.
        let server = server.keep_alive(KEEP_ALIVE).client_request_timeout(KEEP_ALIVE).workers(1);
        Ok(server.bind(address)?.run().await?)
    })
}

async fn open(
    request: HttpRequest,
    body: web::Payload,
    sessions: web::Data<Sessions>,
) -> actix_web::Result<HttpResponse> {
    let (answer, session, mut inbound) = actix_ws::handle(&request, body)?;
    sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    actix_web::rt::spawn(async move { while inbound.recv().await.is_some() {} });
    Ok(answer)
}

/// Sends so many frames, the size of ours, to everybody.
async fn emit(count: web::Path<usize>, sessions: web::Data<Sessions>) -> HttpResponse {
    let frame = format!(r#"{{"type":"seats_updated","padding":"{}"}}"#, "x".repeat(430));
    let mut all = sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for session in &mut all {
        for _ in 0..*count {
            // Whoever is gone is gone.
            let _ = session.text(frame.clone()).await;
        }
    }
    HttpResponse::NoContent().finish()
}
