//! A TCP proxy on loopback that delays, goes deaf and cuts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::config::Host;

use crate::trips::Trips;

const CHUNK_BYTES: usize = 64 * 1024;

/// Where the other end of the wire is.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A host and a port.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Upstream {
    /// The server that a PostgreSQL URL names.
    ///
    /// # Errors
    /// When the URL names none.
    pub fn of_postgres(url: &str) -> Result<Self> {
        let config: tokio_postgres::Config = url.parse()?;
        let port = config.get_ports().first().copied().unwrap_or(5432);
        match config.get_hosts().first().context("the URL names no host")? {
            Host::Tcp(host) => Ok(Self::Tcp(format!("{host}:{port}"))),
            Host::Unix(folder) => Ok(Self::Unix(folder.join(format!(".s.PGSQL.{port}")))),
        }
    }
}

/// One of the two ways of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// A wire that can be disturbed; dropped, all its connections are.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Wire {
    upstream: Upstream,
    delay_micros: AtomicU64,
    deaf_to_server: AtomicBool,
    deaf_to_client: AtomicBool,
    refusing: AtomicBool,
    /// Rises with each cut.
    cuts: watch::Sender<u64>,
    connections: Mutex<Vec<Arc<Trips>>>,
}

impl Proxy {
    /// Listens on a free port and connects each client to `upstream`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: Upstream) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let wire = Arc::new(Wire {
            upstream,
            delay_micros: AtomicU64::new(0),
            deaf_to_server: AtomicBool::new(false),
            deaf_to_client: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            cuts: watch::Sender::new(0),
            connections: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&wire)));
        Ok(Self { address, wire, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same database and user as `url`, through this wire.
    ///
    /// # Errors
    /// When `url` cannot be read.
    pub fn postgres_url(&self, url: &str) -> Result<String> {
        let config: tokio_postgres::Config = url.parse()?;
        let user = config.get_user().context("the URL names no user")?;
        let database = config.get_dbname().context("the URL names no database")?;
        let password = config.get_password().map(String::from_utf8_lossy);
        let password = password.map(|password| format!(":{password}")).unwrap_or_default();
        Ok(format!("postgres://{user}{password}@{}/{database}", self.address))
    }

    /// From now on every byte takes so long, each way.
    pub fn delay(&self, each_way: Duration) {
        let micros = u64::try_from(each_way.as_micros()).unwrap_or(u64::MAX);
        self.wire.delay_micros.store(micros, Ordering::Relaxed);
    }

    /// From now on what goes in `direction` is lost; the connections stay open.
    pub fn deafen(&self, direction: Direction) {
        self.wire.deaf(direction).store(true, Ordering::Relaxed);
    }

    /// Ends all connections; new ones end at once.
    pub fn cut(&self) {
        self.wire.refusing.store(true, Ordering::Relaxed);
        self.wire.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// New connections work again; what was lost stays lost.
    pub fn heal(&self) {
        self.delay(Duration::ZERO);
        self.wire.deaf_to_server.store(false, Ordering::Relaxed);
        self.wire.deaf_to_client.store(false, Ordering::Relaxed);
        self.wire.refusing.store(false, Ordering::Relaxed);
    }

    /// Round trips to PostgreSQL so far, on those connections that have prepared a statement with
    /// `part` in it.
    #[must_use]
    pub fn trips(&self, part: &str) -> u64 {
        let connections = self.wire.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = connections.iter().filter(|trips| trips.has_prepared(part));
        counted.map(|trips| trips.count()).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Wire {
    fn deaf(&self, direction: Direction) -> &AtomicBool {
        match direction {
            Direction::ToServer => &self.deaf_to_server,
            Direction::ToClient => &self.deaf_to_client,
        }
    }

    async fn connect(self: Arc<Self>, client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        match &self.upstream {
            Upstream::Tcp(address) => {
                let server = TcpStream::connect(address).await?;
                server.set_nodelay(true)?;
                self.carry(client, server).await;
            }
            Upstream::Unix(path) => {
                let server = UnixStream::connect(path).await?;
                self.carry(client, server).await;
            }
        }
        Ok(())
    }

    /// Until one side ends, or the wire is cut.
    async fn carry(
        &self,
        client: impl AsyncRead + AsyncWrite,
        server: impl AsyncRead + AsyncWrite,
    ) {
        let mut cuts = self.cuts.subscribe();
        let trips = Arc::new(Trips::default());
        let all = || self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all().push(Arc::clone(&trips));
        let (from_client, to_client) = tokio::io::split(client);
        let (from_server, to_server) = tokio::io::split(server);
        tokio::select! {
            () = self.pump(from_client, to_server, (Direction::ToServer, &trips)) => {}
            () = self.pump(from_server, to_client, (Direction::ToClient, &trips)) => {}
            _ = cuts.changed() => {}
        }
    }

    /// Reading never waits for the delay: a pipeline stays one.
    async fn pump(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        (direction, trips): (Direction, &Trips),
    ) {
        let (queue, mut queued) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let read = async move {
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(count @ 1..) = from.read(&mut chunk).await {
                let bytes = chunk.get(..count).unwrap_or_default();
                match direction {
                    Direction::ToServer => trips.client_sent(bytes),
                    Direction::ToClient => trips.server_sent(bytes),
                }
                let delay = Duration::from_micros(self.delay_micros.load(Ordering::Relaxed));
                if queue.send((Instant::now() + delay, bytes.to_vec())).is_err() {
                    break;
                }
            }
        };
        let write = async {
            while let Some((due, bytes)) = queued.recv().await {
                tokio::time::sleep_until(due).await;
                let lost = self.deaf(direction).load(Ordering::Relaxed);
                if !lost && to.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(read, write);
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    while let Ok((client, _)) = listener.accept().await {
        if !wire.refusing.load(Ordering::Relaxed) {
            // A connection that fails ends; its client sees that.
            let wire = Arc::clone(&wire);
            tokio::spawn(async move { wire.connect(client).await.ok() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PATIENCE, wait_until};

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_wire_carries_delays_and_is_cut() {
        let proxy = Proxy::start(Upstream::Tcp(echo().await.to_string())).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let mut byte = [0];
        stream.write_all(b"a").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"a");
        proxy.delay(Duration::from_millis(40));
        let begun = Instant::now();
        stream.write_all(b"b").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(80));
        proxy.cut();
        assert_eq!(stream.read(&mut byte).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(refused.read(&mut byte).await.unwrap_or(0), 0);
        proxy.heal();
        wait_until("it carries again", PATIENCE, async || {
            let mut stream = TcpStream::connect(proxy.address()).await?;
            stream.write_all(b"c").await?;
            Ok((stream.read(&mut [0]).await? == 1).then_some(()))
        })
        .await
        .unwrap();
    }
}
