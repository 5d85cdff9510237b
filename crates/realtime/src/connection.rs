//! A socket's connection, taken over from actix after the handshake.
//!
//! What an HTTP connection needs (a dispatcher, a request's state, two buffers of 8 KiB) a socket
//! needs no more: it is a task of its own with the stream and nothing else. What it reads goes
//! through a buffer on the stack; what it writes are the shared bytes of the queue, several chunks
//! in one system call. What a slow client does not take stays in its bounded queue.

use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::frame::{self, BadFrame, Inbound, Reader};
use crate::limits::{FRAME_IN_MAX_BYTES, UNSENT_MAX_BYTES};
use crate::protocol::CloseCode;
use crate::session::Session;
use crate::socket::Sent;

/// Frames understood before anything is written.
const FRAMES_AT_ONCE: usize = 8;
/// What is read at once.
const READ_BYTES: usize = 4 * 1024;
/// How long a client may take to hang up after our last frame.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

pub(crate) struct Connection {
    stream: TcpStream,
    reader: Reader,
    session: Session,
}

/// What the connection has for us.
enum Heard {
    Frame(Inbound),
    Bad(BadFrame),
    Nothing,
    Gone,
}

/// How it ended.
enum End {
    /// The client is gone.
    Gone,
    /// We have said the last word.
    Said,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, session: Session) -> Self {
        // A connection that refuses it is only found to be stalled later.
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX_BYTES);
        Self { stream, reader: Reader::default(), session }
    }

    /// Serves the socket until one side ends it.
    pub(crate) async fn run(mut self) {
        let end = std::future::poll_fn(|cx| self.turn(cx)).await;
        // Its place is free as soon as the last word is out.
        let Self { stream, session, .. } = self;
        drop(session);
        if let End::Said = end {
            // Whoever is silent is hung up on.
            let _ = timeout(GOODBYE_MAX, goodbye(stream)).await;
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Heard::Gone = self.work(cx) {
            return Poll::Ready(End::Gone);
        }
        let (socket, stream) = (&self.session.socket, &mut self.stream);
        let sent = socket.write(cx.waker(), self.session.hub.seconds(), |chunks| {
            Pin::new(&mut *stream).poll_write_vectored(cx, chunks)
        });
        match sent {
            Sent::All | Sent::Some => Poll::Pending,
            Sent::LastWord => Poll::Ready(End::Said),
            Sent::Broken => Poll::Ready(End::Gone),
        }
    }

    /// Works on what the client sent, until it must wait.
    fn work(&mut self, cx: &mut Context<'_>) -> Heard {
        for _ in 0..FRAMES_AT_ONCE {
            if self.session.is_busy(cx) {
                return Heard::Nothing;
            }
            match self.hear(cx) {
                Heard::Frame(frame) => self.take(frame),
                Heard::Bad(error) => {
                    tracing::debug!(error = %error, "a frame was refused");
                    self.session.socket.close(CloseCode::BadFrame);
                    return Heard::Nothing;
                }
                other => return other,
            }
        }
        cx.waker().wake_by_ref();
        Heard::Nothing
    }

    fn hear(&mut self, cx: &mut Context<'_>) -> Heard {
        if self.session.socket.is_closing() {
            return Heard::Nothing;
        }
        loop {
            if self.session.is_greeted() {
                self.reader.allow(FRAME_IN_MAX_BYTES);
            }
            match self.reader.next() {
                Ok(Some(frame)) => return Heard::Frame(frame),
                Ok(None) => {}
                Err(error) => return Heard::Bad(error),
            }
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    self.session.socket.hear(self.session.hub.seconds());
                    self.reader.feed(read.filled());
                }
                Poll::Ready(_) => return Heard::Gone,
                Poll::Pending => return Heard::Nothing,
            }
        }
    }

    fn take(&mut self, frame: Inbound) {
        let taken = self.session.takes();
        let socket = &self.session.socket;
        if !taken {
            return socket.close(CloseCode::TooManyFrames);
        }
        match frame {
            Inbound::Text(json) => self.session.text(&json),
            Inbound::Ping(payload) => {
                socket.push(&frame::pong(&payload), self.session.hub.seconds());
            }
            Inbound::Pong => {}
            Inbound::Close => socket.close(CloseCode::Normal),
        }
    }
}

/// Waits until the client hangs up: closing on bytes that it still sends would take our last frame
/// back.
async fn goodbye(stream: TcpStream) -> std::io::Result<Infallible> {
    let stream = stream.into_std()?;
    stream.shutdown(Shutdown::Write)?;
    let mut stream = TcpStream::from_std(stream)?;
    let mut rest = [0; 512];
    while stream.read(&mut rest).await? > 0 {}
    Err(std::io::ErrorKind::UnexpectedEof.into())
}
