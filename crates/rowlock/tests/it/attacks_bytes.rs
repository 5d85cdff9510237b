//! Attacks by what is sent: hostile bodies, foreign pages, silent sockets; and where secrets end up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use testkit::{Bed, Sql};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sale::{Sale, blocks, text};

const MIB: usize = 1 << 20;

/// Bodies that are refused, and with what.
fn hostile() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let seats = |inner: &str| format!("{{\"seats\":{inner}}}").into_bytes();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let many = format!("[{}1]", "1,".repeat(1_000_000));
    vec![
        ("10 MB", seats(&format!("[\"{}\"]", "a".repeat(10 * MIB))), &[413]),
        ("10,000 deep", seats(&deep), &[400, 422]),
        ("a million elements", seats(&many), &[413]),
        ("as many as fit", seats(&format!("[{}\"a\"]", "\"a\",".repeat(15_000))), &[400, 422]),
        ("a number beyond all", br#"{"best":{"quantity":1e999}}"#.to_vec(), &[400, 422]),
        ("a number of 400 digits", seats(&format!("[{}]", "9".repeat(400))), &[400, 422]),
        ("a lone surrogate", br#"{"seats":["\ud800"]}"#.to_vec(), &[400, 422]),
        ("bytes that are no UTF-8", b"{\"seats\":[\"\xff\xfe\"]}".to_vec(), &[400, 422]),
        ("a field twice", br#"{"seats":["T1-1"],"seats":["T1-2"]}"#.to_vec(), &[400, 422]),
        ("a zero byte", br#"{"seats":["T1\u0000-1"]}"#.to_vec(), &[400, 404, 422]),
        ("nothing", Vec::new(), &[400, 422]),
        ("half of it", br#"{"seats":["T1-1""#.to_vec(), &[400, 422]),
        ("something behind it", br#"{"seats":["T1-1"]} {"seats":[]}"#.to_vec(), &[400, 422]),
    ]
}

#[tokio::test]
async fn a_body_that_wants_to_hurt_is_refused_and_leaves_nothing_behind() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let clerk = sale.house.member("box_office").await?;
    let before = bed.worker(0)?.resident()?;
    for (what, body, wanted) in hostile() {
        let sent = clerk.ask(reqwest::Method::POST, sale.path("/holds")).raw(body).await;
        // Who is refused in the middle of 10 MB may hear of it as a closed connection.
        let Ok(answer) = sent else {
            ensure!(wanted == [413], "{what}: no answer");
            continue;
        };
        ensure!(wanted.contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
        ensure!(!answer.json["detail"].is_null(), "{what}: says nothing: {}", answer.text);
    }
    // A bomb is not opened at all.
    let bomb = clerk.ask(reqwest::Method::POST, sale.path("/holds"));
    let bomb = bomb.header("Content-Encoding", "gzip").raw(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    let answer = bomb.await?;
    ensure!([400, 415].contains(&answer.status), "{} {}", answer.status, answer.text);
    let grown = bed.worker(0)?.resident()?.saturating_sub(before);
    ensure!(grown < 16 * MIB, "the worker grew by {grown} bytes from {before}");
    ensure!(sale.map(&clerk).await?.seats.values().all(|status| status == "free"));
    Ok(())
}

/// Asks for a socket with these headers besides; the stream and the status of the answer.
async fn upgrade(address: &str, more: &str) -> Result<(TcpStream, u16)> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET /api/v1/realtime HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: rowlock.v1\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await?;
    let status = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or("0").parse()?;
    Ok((stream, status))
}

#[tokio::test]
async fn a_page_from_elsewhere_opens_no_socket_whatever_it_brings() -> Result<()> {
    let bed = Bed::start(1).await?;
    let person = bed.person().await?;
    let address = bed.worker(0)?.address();
    let token = person.token().unwrap_or_default();
    let cookie = format!("Cookie: token={token}; session={}\r\n", person.refresh_token());
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"] {
        for more in ["", cookie.as_str(), &format!("Authorization: Bearer {token}\r\n")] {
            let (_, status) = upgrade(&address, &format!("Origin: {origin}\r\n{more}")).await?;
            ensure!(status == 403, "{origin}: {status}");
        }
    }
    let own = format!("Origin: http://{address}\r\n");
    ensure!(upgrade(&address, &own).await?.1 == 101, "its own page may");
    ensure!(upgrade(&address, "").await?.1 == 101, "an app has no page");
    // A cookie is no token: whoever brings nothing else is nobody.
    let answer =
        bed.anyone().get("/api/v1/auth/me").header("Cookie", &format!("token={token}")).await?;
    answer.refused(401, "no_token")?;
    Ok(())
}

/// More than one address may have open before it says who it is.
const SILENT: usize = 60;
/// The deadline of the greeting, and a margin for a busy machine.
const GREETING_ENDS: Duration = Duration::from_secs(15);

#[tokio::test]
async fn sockets_that_never_say_who_they_are_are_few_and_end() -> Result<()> {
    let bed = Bed::with().env("TRUSTED_PROXIES", "127.0.0.1/32").start().await?;
    let person = bed.person().await?;
    let address = bed.worker(0)?.address();
    let (mut open, mut refused) = (Vec::new(), 0);
    // All at once: one after the other, the first might be closed before the last one comes.
    let silent = (0..SILENT).map(|_| upgrade(&address, "X-Forwarded-For: 203.0.113.9\r\n"));
    for answered in try_join_all(silent).await? {
        match answered {
            (stream, 101) => open.push(stream),
            (_, 429 | 503) => refused += 1,
            (_, status) => anyhow::bail!("{status}"),
        }
    }
    ensure!((1..=20).contains(&open.len()), "{} of one address are open", open.len());
    ensure!(refused == SILENT - open.len());
    let other = upgrade(&address, "X-Forwarded-For: 203.0.113.10\r\n").await?.1;
    ensure!(other == 101, "others come in: {other}");
    let known = format!(
        "X-Forwarded-For: 203.0.113.9\r\nAuthorization: Bearer {}\r\n",
        person.token().unwrap_or_default()
    );
    ensure!(upgrade(&address, &known).await?.1 == 101, "so does whoever says who it is");
    let since = Instant::now();
    for mut stream in open {
        let mut rest = Vec::new();
        timeout(GREETING_ENDS, stream.read_to_end(&mut rest)).await??;
        // The close frame's code, big-endian, is in what came last.
        let code = 4003_u16.to_be_bytes();
        ensure!(rest.windows(2).any(|two| two == code), "closed without 4003: {rest:?}");
    }
    ensure!(since.elapsed() < GREETING_ENDS, "they were waited for one after the other");
    let again = upgrade(&address, "X-Forwarded-For: 203.0.113.9\r\n").await?.1;
    ensure!(again == 101, "their places are free again: {again}");
    Ok(())
}

/// How many rows of which tables have it in them, as text or as bytes.
async fn found(sql: &Sql, secret: &str) -> Result<Vec<String>> {
    let tables = "select c.oid::regclass::text from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
          and n.nspname !~ '^pg_' order by 1";
    let mut hex = String::new();
    for byte in secret.bytes() {
        write!(hex, "{byte:02x}")?;
    }
    let mut places = Vec::new();
    for table in sql.column::<String>(tables, &[]).await? {
        let query = format!(
            "select count(*) from {table} t
              where position('{secret}' in t::text) > 0 or position('{hex}' in t::text) > 0"
        );
        if sql.value::<i64>(&query, &[]).await? > 0 {
            places.push(table);
        }
    }
    Ok(places)
}

const PASSWORD: &str = "canary-of-the-password-83";
const WRONG: &str = "canary-of-a-wrong-one-84";
const NAME: &str = "Canaria Canarinho";

#[tokio::test]
async fn secrets_stay_where_they_belong() -> Result<()> {
    let bed = Bed::with().env("RUST_LOG", "debug").start().await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let anyone = bed.anyone();
    let email = format!("{}@example.org", uuid::Uuid::new_v4().simple());
    let person = json!({"email": email, "password": PASSWORD, "name": NAME});
    anyone.post("/api/v1/auth/register", person).await?.expect(201)?;
    let wrong = json!({"email": email, "password": WRONG});
    anyone.post("/api/v1/auth/login", wrong).await?.refused(401, "identity.wrong_password")?;
    let right = json!({"email": email, "password": PASSWORD});
    let session = anyone.post("/api/v1/auth/login", right).await?.expect(200)?;
    let (access, refresh) = (text(&session, "/accessToken")?, text(&session, "/refreshToken")?);
    let client = anyone.with_token(&access);
    let body = json!({"refreshToken": refresh});
    let next = anyone.post("/api/v1/auth/refresh", body).await?.expect(200)?;
    let next_refresh = text(&next, "/refreshToken")?;
    let held = sale.hold(&client, &["T1-1"]).await?.expect(201)?;
    let (hold, token) = (text(&held, "/id")?, text(&held, "/token")?);
    let booking = json!({"hold": hold, "token": token, "customer": {"name": NAME, "email": email}});
    let wrong_token = json!({"hold": hold, "token": WRONG, "customer": {"name": NAME}});
    client.post(sale.path("/bookings"), wrong_token).await?;
    client.post(sale.path("/bookings"), booking).await?.expect(201)?;
    // A mistake is where secrets like to be told of.
    client.post(sale.path("/holds"), json!({"seats": PASSWORD, "token": WRONG})).await?;
    client.get(format!("/api/v1/auth/me?token={WRONG}")).await?;

    let (sql, log) = (bed.sql().await?, bed.worker(0)?.log());
    let metrics = anyone.get("/metrics").await?.text;
    ensure!(log.contains("DEBUG"), "the log is not the whole one");
    let secrets = [PASSWORD, WRONG, &access, &refresh, &next_refresh, &token];
    for secret in secrets.into_iter().chain([NAME, email.as_str()]) {
        ensure!(!log.contains(secret), "{secret} is in the log");
        ensure!(!metrics.contains(secret), "{secret} is in the metrics");
    }
    for secret in secrets {
        let mut places = found(&sql, secret).await?;
        // The answer to a repeat is kept as it was given, for a day.
        places.retain(|table| !table.starts_with("log.once"));
        ensure!(places.is_empty(), "{secret} is in {places:?}");
    }
    ensure!(!found(&sql, NAME).await?.is_empty(), "the search finds what is there");
    Ok(())
}
