//! A wire between a worker and a server: it delays, drops, cuts.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

const CHUNK_BYTES: usize = 64 * 1024;

/// It lasts as long as this process.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) port: u16,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    delay_ms: AtomicU64,
    deaf: AtomicBool,
    number: AtomicU64,
    /// Both ends of every connection.
    ends: Mutex<HashMap<u64, (TcpStream, TcpStream)>>,
}

impl Wire {
    pub(super) fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = Arc::new(State {
            upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            delay_ms: AtomicU64::new(0),
            deaf: AtomicBool::new(false),
            number: AtomicU64::new(0),
            ends: Mutex::default(),
        });
        let wire = Self { port: listener.local_addr()?.port(), state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // One that cannot be connected is closed by being dropped.
                let _ = connect(&state, client);
            }
        });
        Ok(wire)
    }

    /// Each piece takes so much longer, each way.
    pub(super) fn delay(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.state.delay_ms.store(millis, Ordering::Relaxed);
    }

    /// What is sent from now on is swallowed.
    pub(super) fn drop_all(&self) {
        self.state.deaf.store(true, Ordering::Relaxed);
    }

    /// Ends every connection.
    pub(super) fn cut(&self) {
        for (_, (client, server)) in self.state.lock().drain() {
            // One that has ended by itself is what was wanted.
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// As new. Connections that have lost something are of no more use.
    pub(super) fn heal(&self) {
        self.delay(Duration::ZERO);
        if self.state.deaf.swap(false, Ordering::Relaxed) {
            self.cut();
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (TcpStream, TcpStream)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(state: &Arc<State>, client: TcpStream) -> Result<()> {
    let server = TcpStream::connect(state.upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = state.number.fetch_add(1, Ordering::Relaxed);
    state.lock().insert(number, (client.try_clone()?, server.try_clone()?));
    let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
    for (from, to) in ways {
        let state = Arc::clone(state);
        thread::spawn(move || {
            // Either way's end is the end of both.
            let _ = carry(&state, &from, &to);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            state.lock().remove(&number);
        });
    }
    Ok(())
}

fn carry(state: &State, mut from: &TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
    let mut piece = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        let millis = state.delay_ms.load(Ordering::Relaxed);
        if millis > 0 {
            thread::sleep(Duration::from_millis(millis));
        }
        if !state.deaf.load(Ordering::Relaxed) {
            to.write_all(piece.get(..count).unwrap_or_default())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_carries_drops_and_cuts() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let wire = Wire::to(listener.local_addr().unwrap().port()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, wire.port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"one").unwrap();
        let mut heard = [0; 3];
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"one");
        wire.drop_all();
        client.write_all(b"two").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(server.read_exact(&mut heard).is_err());
        server.set_read_timeout(None).unwrap();
        wire.heal();
        assert!(matches!(server.read(&mut heard), Ok(0) | Err(_)), "it was cut");
    }
}
