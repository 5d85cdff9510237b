//! Asks a worker whether it is ready; a whole HTTP client would be much for one status line.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether `GET path` is answered with 200.
pub(crate) fn answers_ok(address: SocketAddr, path: &str) -> bool {
    status(address, path).is_ok_and(|status| status.starts_with("HTTP/1.1 200"))
}

fn status(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // In one piece: whoever answers before the last one has come resets the connection.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn answered_with(answer: &'static str) -> bool {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let answered = answers_ok(address, "/readyz");
        server.join().unwrap();
        answered
    }

    #[test]
    fn only_200_is_ready() {
        assert!(answered_with("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!answered_with("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(!answered_with(""));
    }
}
