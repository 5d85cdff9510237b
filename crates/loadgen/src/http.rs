//! HTTP/1.1 by hand: requests are bytes that somebody else has put together, of an answer only the
//! status and the length are read. A general client costs several times more on the cores that the
//! server is measured on.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer that is larger is none of ours: a snapshot after an hour of bookings has some 5 MB.
const ANSWER_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Room for one usual answer.
const INPUT_BYTES: usize = 16 * 1024;
/// What a call that prepares something may take.
const CALL_MAX: Duration = Duration::from_secs(30);

/// A keep-alive connection that carries one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

/// What came back, as long as the next request is not sent.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// How long a 503 asks to wait.
    pub(crate) retry_after_secs: Option<u32>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: vec![0; INPUT_BYTES] })
    }

    /// Sends a whole request and waits for the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            if filled == self.input.len() {
                if filled >= ANSWER_MAX_BYTES {
                    bail!("an answer has more than {ANSWER_MAX_BYTES} bytes");
                }
                self.input.resize(filled * 2, 0);
            }
            let free = self.input.get_mut(filled..).unwrap_or_default();
            let count = self.stream.read(free).await?;
            if count == 0 {
                bail!("the server closed the connection in the middle of an answer");
            }
            filled += count;
            let head = parse(self.input.get(..filled).unwrap_or_default())?;
            if let Some(head) = head.filter(|head| head.body.end <= filled) {
                break head;
            }
        };
        let Head { status, body, retry_after_secs } = head;
        Ok(Reply { status, body: self.input.get(body).unwrap_or_default(), retry_after_secs })
    }

    /// One call with JSON in and out, for what happens before anything is measured.
    pub(crate) async fn call(
        &mut self,
        (method, path): (&str, &str),
        token: &str,
        body: &Value,
    ) -> Result<Value> {
        let mut request = Vec::new();
        let key = uuid::Uuid::new_v4().to_string();
        write_request(&mut request, &head(method, path, token), &key, &body.to_string());
        let reply = timeout(CALL_MAX, self.send(&request)).await;
        let reply = reply.with_context(|| format!("{method} {path} took over {CALL_MAX:?}"))??;
        if !(200..300).contains(&reply.status) {
            let text = String::from_utf8_lossy(reply.body);
            bail!("{method} {path} was answered with {}: {text}", reply.status);
        }
        Ok(serde_json::from_slice(reply.body)?)
    }
}

/// The part of a request that is the same for many.
pub(crate) fn head(method: &str, path: &str, token: &str) -> String {
    let token = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: rowlock.test\r\n{token}\
         content-type: application/json\r\nidempotency-key: "
    )
}

/// Puts a request together in a buffer that is used again and again.
pub(crate) fn write_request(request: &mut Vec<u8>, head: &str, key: &str, body: &str) {
    request.clear();
    let length = body.len().to_string();
    for part in [head, key, "\r\ncontent-length: ", &length, "\r\n\r\n", body] {
        request.extend_from_slice(part.as_bytes());
    }
}

struct Head {
    status: u16,
    body: Range<usize>,
    retry_after_secs: Option<u32>,
}

/// The head of an answer, or nothing while it is not all there.
fn parse(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    let status: u16 = status.context("the answer does not begin like HTTP/1.1")?;
    let field = |wanted: &str| {
        let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let length: usize = match field("content-length") {
        Some(value) => value.parse()?,
        None if status == 204 => 0,
        None => bail!("the answer has no content-length"),
    };
    // Looked for in few answers: what is measured is not this.
    let asked = (status == 503).then(|| field("retry-after")).flatten();
    let retry_after_secs = asked.and_then(|secs| secs.parse().ok());
    Ok(Some(Head { status, body: end + 4..end + 4 + length, retry_after_secs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\netag: \"1\"\r\n\r\n{}";
        let head = parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.body.len(), head.body.end), (201, 2, bytes.len()));
        assert!(parse(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n").unwrap().is_none());
        let busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n";
        assert_eq!(parse(busy).unwrap().unwrap().retry_after_secs, Some(2));
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body.len(), 0);
    }

    #[test]
    fn a_request_is_put_together_whole() {
        let mut request = Vec::new();
        write_request(&mut request, &head("POST", "/a", "t"), "key-0001", "{}");
        let text = String::from_utf8(request).unwrap();
        assert!(
            text.starts_with(
                "POST /a HTTP/1.1\r\nhost: rowlock.test\r\nauthorization: Bearer t\r\n"
            )
        );
        assert!(
            text.ends_with("idempotency-key: key-0001\r\ncontent-length: 2\r\n\r\n{}"),
            "{text}"
        );
    }
}
