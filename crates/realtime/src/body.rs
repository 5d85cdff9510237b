//! A socket as a response body: no task of its own, one copy of each byte.
//!
//! actix asks the body for bytes while the connection's write buffer has room. That is the whole
//! flow control: what a slow client does not take stays in its bounded queue. What the client
//! sends is read in the same call, so that both directions live in the connection's task.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::Stream;

use crate::frame::{self, BadFrame, Inbound, Reader};
use crate::limits::FRAME_IN_MAX_BYTES;
use crate::protocol::CloseCode;
use crate::session::Session;
use crate::socket::Next;

/// Frames understood before anything is written.
const FRAMES_AT_ONCE: usize = 8;

pub(crate) struct Body {
    payload: Payload,
    reader: Reader,
    session: Session,
    /// The client is gone.
    gone: bool,
}

/// What the connection has for us.
enum Heard {
    Frame(Inbound),
    Bad(BadFrame),
    Nothing,
    Gone,
}

impl Body {
    pub(crate) fn new(payload: Payload, session: Session) -> Self {
        Self { payload, reader: Reader::default(), session, gone: false }
    }

    fn hear(&mut self, cx: &mut Context<'_>) -> Heard {
        loop {
            if self.session.is_greeted() {
                self.reader.allow(FRAME_IN_MAX_BYTES);
            }
            match self.reader.next() {
                Ok(Some(frame)) => return Heard::Frame(frame),
                Ok(None) => {}
                Err(error) => return Heard::Bad(error),
            }
            match Pin::new(&mut self.payload).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.session.socket.hear(self.session.hub.seconds());
                    self.reader.feed(&bytes);
                }
                Poll::Ready(Some(Err(_)) | None) => return Heard::Gone,
                Poll::Pending => return Heard::Nothing,
            }
        }
    }

    /// Works on what the client sent, until it must wait.
    fn work(&mut self, cx: &mut Context<'_>) {
        for _ in 0..FRAMES_AT_ONCE {
            if self.session.is_busy(cx) {
                return;
            }
            match self.hear(cx) {
                Heard::Frame(frame) => self.take(frame),
                Heard::Bad(error) => {
                    tracing::debug!(error = %error, "a frame was refused");
                    return self.session.socket.close(CloseCode::BadFrame);
                }
                Heard::Gone => {
                    self.gone = true;
                    return;
                }
                Heard::Nothing => return,
            }
        }
        cx.waker().wake_by_ref();
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

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let body = self.get_mut();
        if !body.gone {
            body.work(cx);
        }
        if body.gone {
            return Poll::Ready(None);
        }
        match body.session.socket.next(cx.waker(), body.session.hub.seconds()) {
            Next::Chunk(chunk) => Poll::Ready(Some(Ok(chunk))),
            Next::Empty => Poll::Pending,
            Next::End => Poll::Ready(None),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.session.hub.leave(&self.session.socket);
    }
}
