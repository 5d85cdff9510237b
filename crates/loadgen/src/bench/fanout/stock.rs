//! What others do, to stand beside ours: actix-ws with its `Session` in a list and a loop that sends
//! to each, and a raw tokio broadcast, where each socket has a task with a receiver and writes the
//! shared bytes. The ways between them show what costs what.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::rt::net::{TcpListener, TcpStream};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::Session;
use anyhow::Result;
use bytes::{BufMut, Bytes, BytesMut};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::broadcast;

const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// Frames that a receiver of the broadcast may be behind.
const BEHIND_MAX: usize = 1024;
/// What a handshake and a request have at most.
const HEAD_BYTES: usize = 2 * 1024;
const FINAL_TEXT: u8 = 0x81;
const TWO_BYTES: u8 = 126;

/// How everybody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// `Session::text` of all frames to one socket after the other: what one writes first for a
    /// batch. A socket's frames meet in its channel and go out in one write.
    Session,
    /// One frame to all sockets, then the next, as events come: each is a write of its own.
    SessionByFrame,
    /// `Session::text` once for all frames of a flush, joined into one text.
    SessionJoined,
    /// `tokio::sync::broadcast` of encoded bytes, one `write_all` a frame.
    Broadcast,
    /// The same, all that waits in one `write_all`.
    BroadcastGathered,
}

type Sessions = Mutex<Vec<Session>>;

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr, way: Way) -> Result<()> {
    if let Way::Broadcast | Way::BroadcastGathered = way {
        return actix_web::rt::System::new().block_on(raw(address, way));
    }
    actix_web::rt::System::new().block_on(async {
        let sessions = web::Data::new(Sessions::default());
        let way = web::Data::new(way);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(sessions.clone())
                .app_data(way.clone())
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

/// A frame of the size of ours.
fn text() -> String {
    format!(r#"{{"type":"seats_updated","padding":"{}"}}"#, "x".repeat(430))
}

/// Sends so many frames to everybody.
async fn emit(
    count: web::Path<usize>,
    sessions: web::Data<Sessions>,
    way: web::Data<Way>,
) -> HttpResponse {
    let (frame, count) = (text(), *count);
    let mut all = sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // Whoever is gone is gone.
    match **way {
        Way::SessionByFrame => {
            for _ in 0..count {
                for session in &mut all {
                    let _ = session.text(frame.clone()).await;
                }
                // The next event finds the sockets idle again.
                tokio::task::yield_now().await;
            }
        }
        Way::SessionJoined => {
            let joined = frame.repeat(count);
            for session in &mut all {
                let _ = session.text(joined.clone()).await;
            }
        }
        _ => {
            for session in &mut all {
                for _ in 0..count {
                    let _ = session.text(frame.clone()).await;
                }
            }
        }
    }
    HttpResponse::NoContent().finish()
}

/// Sockets and requests on one listener, told apart by their first letter.
async fn raw(address: SocketAddr, way: Way) -> Result<()> {
    let (tell, _) = broadcast::channel(BEHIND_MAX);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let tell = tell.clone();
        // A connection that breaks is over.
        actix_web::rt::spawn(async move { connection(stream, tell, way).await.ok() });
    }
}

async fn connection(
    mut stream: TcpStream,
    tell: broadcast::Sender<Bytes>,
    way: Way,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = vec![0; HEAD_BYTES];
    loop {
        let count = stream.read(&mut head).await?;
        let said = head.get(..count).unwrap_or_default();
        match said.first() {
            Some(b'G') => {
                stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await?;
                return told(stream, tell.subscribe(), way).await;
            }
            Some(b'P') => {
                let count = String::from_utf8_lossy(said);
                let count = count.split([' ', '/']).find_map(|part| part.parse().ok());
                let frame = framed();
                for _ in 0..count.unwrap_or(0) {
                    // Nobody listens before the first socket.
                    let _ = tell.send(frame.clone());
                }
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
            }
            _ => return Ok(()),
        }
    }
}

fn framed() -> Bytes {
    let text = text();
    let mut frame = BytesMut::with_capacity(text.len() + 4);
    frame.put_u8(FINAL_TEXT);
    frame.put_u8(TWO_BYTES);
    frame.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    frame.put_slice(text.as_bytes());
    frame.freeze()
}

async fn told(
    mut stream: TcpStream,
    mut hears: broadcast::Receiver<Bytes>,
    way: Way,
) -> io::Result<()> {
    let mut gathered = Vec::new();
    while let Ok(frame) = hears.recv().await {
        if way == Way::Broadcast {
            stream.write_all(&frame).await?;
            continue;
        }
        gathered.clear();
        gathered.extend_from_slice(&frame);
        while let Ok(frame) = hears.try_recv() {
            gathered.extend_from_slice(&frame);
        }
        stream.write_all(&gathered).await?;
    }
    Ok(())
}
