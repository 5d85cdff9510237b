//! A WebSocket by hand, for the client's side of `rowlock.v1`: a server's frames are read where
//! they arrive, so that ten thousand sockets cost this process little.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const PATH: &str = "/api/v1/realtime";
const PROTOCOL: &str = "rowlock.v1";
/// Room for usual frames; it grows where a larger one comes.
const INPUT_BYTES: usize = 2 * 1024;
/// A frame that is larger is none of ours.
const FRAME_MAX_BYTES: usize = 4 * 1024 * 1024;
/// What the kernel keeps for a client that reads nothing: as little as it lets one ask for.
const SMALL_BYTES: u32 = 2 * 1024;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Instead of a length: it stands in the two bytes that follow.
const TWO_BYTES: u8 = 0x7e;

/// A connection to a worker, or to whatever stands before it.
pub(crate) struct WebSocket {
    stream: TcpStream,
    input: Vec<u8>,
    /// What is read but not yet taken: from here to there.
    begin: usize,
    end: usize,
}

/// One thing that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Text(&'a [u8]),
    Ping,
    /// With this code and reason.
    Close(u16, String),
}

/// Where a frame is: its kind, where its payload begins and ends.
type Place = (u8, usize, usize);

impl WebSocket {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_from(address, PATH, "127.0.0.1").await
    }

    /// As if it came from another address, for workers that believe their balancer.
    pub(crate) async fn open_from(address: SocketAddr, path: &str, from: &str) -> Result<Self> {
        Self::greet(TcpStream::connect(address).await?, path, from).await
    }

    /// The same with little room in the kernel: a server notices soon that nobody reads.
    pub(crate) async fn open_small(address: SocketAddr, path: &str, from: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SMALL_BYTES)?;
        Self::greet(socket.connect(address).await?, path, from).await
    }

    async fn greet(mut stream: TcpStream, path: &str, from: &str) -> Result<Self> {
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: rowlock.test\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: {PROTOCOL}\r\n\
             x-forwarded-for: {from}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self { stream, input: vec![0; INPUT_BYTES], begin: 0, end: 0 };
        loop {
            let head = socket.input.get(..socket.end).unwrap_or_default();
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                if !head.starts_with(b"HTTP/1.1 101") {
                    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
                    bail!("no socket: {}", String::from_utf8_lossy(line));
                }
                socket.begin = end + 4;
                return Ok(socket);
            }
            socket.fill().await?;
        }
    }

    /// Sends a text frame. The mask is all zeros: it protects nobody here.
    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        self.write(TEXT, text.as_bytes()).await
    }

    async fn write(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let length = u16::try_from(payload.len()).context("the frame is too long")?;
        let mut frame = vec![FINAL | kind];
        match u8::try_from(length) {
            Ok(short) if short < TWO_BYTES => frame.push(MASKED | short),
            _ => {
                frame.push(MASKED | TWO_BYTES);
                frame.extend_from_slice(&length.to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The next frame; pings are answered on the way. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Frame<'_>> {
        let (kind, begin, end) = loop {
            match self.take()? {
                Some(place) => break place,
                None => self.fill().await?,
            }
        };
        if kind == PING {
            self.write(PONG, &[]).await?;
            return Ok(Frame::Ping);
        }
        let payload = self.input.get(begin..end).unwrap_or_default();
        Ok(match kind {
            CLOSE => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                let reason = payload.get(2..).unwrap_or_default();
                Frame::Close(code, String::from_utf8_lossy(reason).into_owned())
            }
            _ => Frame::Text(payload),
        })
    }

    /// Takes a whole frame out of what was read.
    fn take(&mut self) -> Result<Option<Place>> {
        let unread = self.input.get(self.begin..self.end).unwrap_or_default();
        let Some((kind, head, length)) = header(unread) else { return Ok(None) };
        if length > FRAME_MAX_BYTES {
            bail!("a frame of {length} bytes");
        }
        if unread.len() < head + length {
            return Ok(None);
        }
        let begin = self.begin + head;
        self.begin = begin + length;
        Ok(Some((kind, begin, begin + length)))
    }

    async fn fill(&mut self) -> Result<()> {
        if self.begin > 0 {
            self.input.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        if self.end == self.input.len() {
            if self.end > FRAME_MAX_BYTES {
                bail!("too much at once");
            }
            self.input.resize(self.end * 2, 0);
        }
        let free = self.input.get_mut(self.end..).unwrap_or_default();
        let count = self.stream.read(free).await?;
        if count == 0 {
            bail!("the connection ended without a close");
        }
        self.end += count;
        Ok(())
    }
}

/// Kind, length of the header, length of the payload; nothing while the header is not all there.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (bytes.first()?, bytes.get(1)?);
    let rest = bytes.get(2..)?;
    let (head, length) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
        short => (2, usize::from(short)),
    };
    Some((first & 0x0f, head, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn frames_are_cut_where_they_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            let long = vec![b'x'; 5000];
            let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02{}\x89\x00".to_vec();
            bytes.extend_from_slice(&[0x81, 126, 0x13, 0x88]);
            bytes.extend_from_slice(&long);
            bytes.extend_from_slice(b"\x88\x05\x03\xf4bye");
            // In pieces, so that a frame's header comes apart, too.
            for piece in bytes.chunks(7) {
                stream.write_all(piece).await.unwrap();
            }
            stream
        });
        let mut socket = WebSocket::open(address).await.unwrap();
        assert_eq!(socket.next().await.unwrap(), Frame::Text(b"{}"));
        assert_eq!(socket.next().await.unwrap(), Frame::Ping);
        assert_eq!(socket.next().await.unwrap(), Frame::Text(&[b'x'; 5000]));
        assert_eq!(socket.next().await.unwrap(), Frame::Close(1012, "bye".to_owned()));
        drop(server.await.unwrap());
    }
}
