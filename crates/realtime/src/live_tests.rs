//! Sockets on a real actix server over loopback; only the log is made of memory.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App as Web, HttpServer, web};
use bus::{Bus, BusConfig, Control};
use bytes::Bytes;
use edge::App;
use edge::token::Keyring;
use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use kernel::clock::Clock;
use kernel::event::{Batch, Frame, Pos, Topic};
use kernel::ids::{SessionId, UserId, VenueId};
use pg::{Db, DbConfig, Head, Stored};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as Code;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::hub::Hub;
use crate::limits::Limits;
use crate::log::{Away, Log};
use crate::socket::Person;

pub(crate) const VENUE: VenueId = VenueId(uuid::Uuid::from_u128(7));
const PATIENCE: Duration = Duration::from_secs(5);

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    rows: Arc<Mutex<Vec<Stored>>>,
    away: Arc<Mutex<bool>>,
    reads: Arc<Mutex<u32>>,
}

impl Memory {
    fn at(seq: i64) -> Timestamp {
        Timestamp::from_microsecond(1_000_000 + seq).unwrap()
    }

    fn head(&self) -> Head {
        let seq = i64::try_from(self.rows.lock().unwrap().len()).unwrap();
        Head { venue: VENUE, seq, at: Self::at(seq) }
    }

    /// Commits one event; what is returned may be published.
    pub(crate) fn commit(&self, topic: Topic, bytes: usize) -> Batch {
        let head = self.head();
        let seq = head.seq + 1;
        let pad = "x".repeat(bytes);
        let pos = Pos::new(seq, Self::at(seq));
        let text = json!({"type": "test", "seq": seq, "pos": pos.to_string(), "pad": pad});
        let frame = Frame { topic, follow: None, json: Bytes::from(text.to_string()) };
        let at = Self::at(seq);
        self.rows.lock().unwrap().push(Stored { seq, at, frame: frame.clone() });
        Batch { venue: VENUE, first_seq: seq, at, prev_at: head.at, frames: vec![frame] }
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> i64 {
        self.head().seq
    }

    fn log(&self) -> Log {
        let (heads, events) = (self.clone(), self.clone());
        Log::new(
            move |venues| {
                let heads = heads.clone();
                Box::pin(async move {
                    if *heads.away.lock().unwrap() {
                        return Err(Away("stopped".into()));
                    }
                    Ok(venues.iter().filter(|v| **v == VENUE).map(|_| heads.head()).collect())
                })
            },
            move |_, from, limit| {
                let events = events.clone();
                Box::pin(async move {
                    if *events.away.lock().unwrap() {
                        return Err(Away("stopped".into()));
                    }
                    *events.reads.lock().unwrap() += 1;
                    let rows = events.rows.lock().unwrap();
                    let from = rows.iter().filter(|row| row.seq >= from);
                    Ok(from.take(limit.into()).cloned().collect())
                })
            },
        )
    }
}

pub(crate) struct Server {
    pub(crate) log: Memory,
    pub(crate) hub: Hub,
    pub(crate) bus: Bus,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Memory::default(), BusConfig::default())
    }

    /// A worker on a log that others may share.
    pub(crate) fn with(log: Memory, config: BusConfig) -> Self {
        let clock = Clock::default();
        let (bus, incoming) = Bus::start(config).unwrap();
        let hub = Hub::with_log(log.log(), bus.clone(), incoming, clock.clone(), Limits::default());
        let (served_hub, served_bus) = (hub.clone(), bus.clone());
        let server = HttpServer::new(move || {
            let db = Db::new(
                &DbConfig {
                    url: "postgres://nobody@127.0.0.1:1/none".into(),
                    ca_pem: None,
                    pool_size: 1,
                    session_options: true,
                    standing_sql: None,
                },
                clock.clone(),
            );
            let app = App::new(db.unwrap(), served_bus.clone(), Keyring::new(clock.clone()), "");
            Web::new()
                .app_data(web::Data::new(app))
                .app_data(web::Data::new(served_hub.clone()))
                .configure(crate::routes)
        })
        .workers(1)
        .on_connect(crate::on_connect)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        Self { log, hub, bus, address }
    }

    async fn dial(&self, query: &str) -> Result<Client, Error> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/api/v1/realtime{query}", self.address);
        let mut request = url.into_client_request().unwrap();
        let protocol = crate::PROTOCOL.parse().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await?;
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], crate::PROTOCOL);
        Ok(Client(socket))
    }

    /// A client that listens to the seats.
    pub(crate) async fn listener(&self, since: Option<&str>) -> (Client, Value) {
        let mut client = self.dial("").await.unwrap();
        client.say(json!({"op": "auth", "id": 1})).await;
        assert_eq!(client.hear().await["op"], "ok");
        client.say(json!({"op": "sub", "id": 2, "venue": VENUE, "since": since})).await;
        let ok = client.hear().await;
        (client, ok)
    }

    fn publish(&self, topic: Topic) {
        self.bus.publish(self.log.commit(topic, 0));
    }
}

pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn say(&mut self, json: Value) {
        self.0.send(Message::text(json.to_string())).await.unwrap();
    }

    /// The next text; none when the socket was closed.
    async fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("nothing was heard");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(_)) => {}
                other => return Err((0, format!("{other:?}"))),
            }
        }
    }

    async fn hear(&mut self) -> Value {
        self.next().await.expect("the socket is open")
    }

    async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.next().await {
                return closed;
            }
        }
    }

    /// The numbers of the next `count` events.
    pub(crate) async fn seqs(&mut self, count: usize) -> Vec<i64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            seqs.extend(self.hear().await["seq"].as_i64());
        }
        seqs
    }
}

#[actix_web::test]
async fn a_subscriber_hears_its_topics_in_order() {
    let server = Server::start();
    let (mut client, ok) = server.listener(None).await;
    assert_eq!(ok["topics"], json!(["seats"]), "anonymous: what is public and nothing else");
    assert_eq!(ok["replay"], 0);
    for topic in [Topic::Seats, Topic::Guests, Topic::Seats] {
        server.publish(topic);
    }
    assert_eq!(client.seqs(2).await, [1, 3]);
    server.publish(Topic::Guests);
    let pos = client.hear().await;
    assert_eq!(pos["op"], "pos", "told where it is though nothing was for it");
    assert!(pos["pos"].as_str().unwrap().starts_with("4-"));
    client.say(json!({"op": "ping", "id": 4})).await;
    assert_eq!(client.hear().await, json!({"op": "pong", "id": 4}));
    client.say(json!({"op": "unsub", "id": 5, "venue": VENUE})).await;
    assert_eq!(client.hear().await["id"], 5);
}

#[actix_web::test]
async fn a_client_that_comes_back_misses_nothing() {
    let server = Server::start();
    for _ in 0..700 {
        server.publish(Topic::Seats);
    }
    let at = |seq: i64| Pos::new(seq, Memory::at(seq)).to_string();
    let (mut near, ok) = server.listener(Some(&at(690))).await;
    assert_eq!(ok["replay"], 10);
    assert_eq!(near.seqs(10).await, (691..=700).collect::<Vec<_>>());
    let (mut far, ok) = server.listener(Some(&at(2))).await;
    assert_eq!(ok["replay"], 698);
    server.publish(Topic::Seats);
    assert_eq!(far.seqs(699).await, (3..=701).collect::<Vec<_>>());
    for (since, reason) in
        [(Pos { seq: 690, at_micros: 1 }.to_string(), "diverged"), (at(900), "diverged")]
    {
        let (mut client, ok) = server.listener(Some(&since)).await;
        assert_eq!(ok["replay"], 0);
        assert_eq!(client.hear().await["reason"], reason);
        server.publish(Topic::Seats);
        assert_eq!(client.seqs(1).await, [server.log.head().seq], "live goes on");
    }
}

#[actix_web::test]
async fn what_was_never_published_is_heard_within_150_ms() {
    let server = Server::start();
    let (mut client, _) = server.listener(None).await;
    let mut waits = Vec::new();
    for seq in 1..=11 {
        let committed = Instant::now();
        server.log.commit(Topic::Seats, 0);
        assert_eq!(client.seqs(1).await, [seq]);
        waits.push(committed.elapsed());
    }
    waits.sort_unstable();
    // The median: a busy machine may hold up one of them.
    assert!(waits[5] < Duration::from_millis(150), "{waits:?}");
}

#[actix_web::test]
async fn a_storm_of_resumes_is_a_handful_of_reads() {
    let server = Server::start();
    for _ in 0..700 {
        server.publish(Topic::Seats);
    }
    let first = Pos::new(5, Memory::at(5)).to_string();
    let waiting = (0..15).map(|_| server.listener(Some(&first)));
    let clients = futures_util::future::join_all(waiting).await;
    assert!(clients.iter().all(|(_, ok)| ok["replay"] == 695));
    let reads = *server.log.reads.lock().unwrap();
    assert!(reads <= 5, "{reads} reads for 15 sockets");
}

#[actix_web::test]
async fn a_database_that_comes_back_costs_nothing() {
    let server = Server::start();
    let (mut client, _) = server.listener(None).await;
    *server.log.away.lock().unwrap() = true;
    server.log.commit(Topic::Seats, 0);
    server.publish(Topic::Seats);
    tokio::time::sleep(Duration::from_millis(600)).await;
    *server.log.away.lock().unwrap() = false;
    assert_eq!(client.seqs(2).await, [1, 2]);
}

#[actix_web::test]
async fn an_unknown_venue_is_not_found() {
    let server = Server::start();
    let mut client = server.dial("").await.unwrap();
    client.say(json!({"op": "auth", "id": 1})).await;
    client.hear().await;
    let other = VenueId(uuid::Uuid::from_u128(8));
    client.say(json!({"op": "sub", "id": 2, "venue": other})).await;
    assert_eq!(client.hear().await["code"], "not_found");
    client.say(json!({"op": "sub", "id": 3, "venue": VENUE, "topics": ["guests"]})).await;
    assert_eq!(client.hear().await["code"], "forbidden");
    client.say(json!({"op": "sub", "id": 4, "venue": VENUE, "since": "yesterday"})).await;
    assert_eq!(client.hear().await["code"], "bad_pos");
    client.say(json!({"op": "dance", "id": 5})).await;
    assert_eq!(client.hear().await["code"], "unknown_op");
}

#[actix_web::test]
async fn a_query_is_refused() {
    let server = Server::start();
    let Err(Error::Http(response)) = server.dial("?token=secret").await else {
        panic!("a token in the address was taken")
    };
    assert_eq!(response.status(), 400);
}

#[actix_web::test]
async fn each_fault_has_its_close_code() {
    let server = Server::start();
    let mut client = server.dial("").await.unwrap();
    client.say(json!({"op": "sub", "id": 1, "venue": VENUE})).await;
    assert_eq!(client.closed().await.0, 4003);
    let mut client = server.dial("").await.unwrap();
    client.say(json!({"op": "auth", "token": "nonsense"})).await;
    assert_eq!(client.closed().await.0, 4501);
    let mut client = server.dial("").await.unwrap();
    client.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(client.closed().await.0, 4500);
    let (mut client, _) = server.listener(None).await;
    for _ in 0..100 {
        if client.0.send(Message::text(r#"{"op":"ping"}"#)).await.is_err() {
            break;
        }
    }
    assert_eq!(client.closed().await.0, 4005);
    let (mut client, _) = server.listener(None).await;
    for venue in 100..132 {
        let venue = VenueId(uuid::Uuid::from_u128(venue));
        client.say(json!({"op": "sub", "venue": venue, "topics": ["seats"]})).await;
    }
    assert_eq!(client.closed().await.0, 4505);
    let mut silent = server.dial("").await.unwrap();
    let opened = Instant::now();
    let closed = timeout(Duration::from_secs(8), async {
        loop {
            match silent.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(closed.await, Ok(Code::Library(4003)));
    assert!(opened.elapsed() >= Duration::from_secs(5));
}

#[actix_web::test]
async fn a_huge_frame_is_refused_by_its_header() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start();
    let (client, _) = server.listener(None).await;
    let mut client = client;
    let mut header = vec![0x81, 0xFF];
    header.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    client.0.get_mut().write_all(&header).await.unwrap();
    assert_eq!(client.closed().await.0, 4500);
}

#[actix_web::test]
async fn a_drain_tells_everybody_to_come_back() {
    let server = Server::start();
    let (mut client, _) = server.listener(None).await;
    let hub = server.hub.clone();
    let drained = actix_web::rt::spawn(async move { hub.drain(Duration::from_millis(300)).await });
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1012);
    assert!(reason.strip_prefix("retry=").unwrap().parse::<u32>().is_ok(), "{reason}");
    drop(client);
    timeout(PATIENCE, drained).await.unwrap().unwrap();
    assert_eq!(server.hub.sockets(), 0);
    let Err(Error::Http(response)) = server.dial("").await else { panic!("draining") };
    assert_eq!(response.status(), 503);
}

#[actix_web::test]
async fn a_revoked_user_is_closed_and_others_are_not() {
    let server = Server::start();
    let [user, other] = [1, 2].map(|n| UserId(uuid::Uuid::from_u128(n)));
    let sockets = [user, other].map(|user| {
        let socket = server.hub.join();
        socket.greet(Person { user: Some(user), session: None, device: None }, None);
        socket
    });
    // The hub takes commands and notices in any order: it must know the sockets first.
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.bus.publish_control(Control::UserRevoked { user });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(sockets[0].pulse().closing);
    assert!(!sockets[1].pulse().closing);
    server.bus.publish_control(Control::SessionRevoked { session: SessionId(uuid::Uuid::nil()) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sockets[1].pulse().closing);
}

#[actix_web::test]
async fn a_stalled_socket_delays_nobody_and_is_closed() {
    let server = Server::start();
    let (mut stalled, _) = server.listener(None).await;
    let (mut healthy, _) = server.listener(None).await;
    let mut slowest = Duration::ZERO;
    for seq in 1..=1_500 {
        let sent = Instant::now();
        server.bus.publish(server.log.commit(Topic::Seats, 12_000));
        assert_eq!(healthy.seqs(1).await, [seq]);
        slowest = slowest.max(sent.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    let (code, reason) = stalled.closed().await;
    assert_eq!((code, reason.contains("resume")), (4001, true));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.hub.sockets(), 1, "its connection is gone");
}
