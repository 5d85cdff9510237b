//! Really boots PostgreSQL and Redis, the shared ones and private ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use devkit::{Cluster, ClusterOptions, Services};

/// Asks PostgreSQL for an SSL session, which any live server answers with one byte.
fn postgres_answers(mut stream: impl Read + Write) -> bool {
    let ssl_request = [0, 0, 0, 8, 4, 210, 22, 47];
    let mut answer = [0];
    stream.write_all(&ssl_request).is_ok() && stream.read_exact(&mut answer).is_ok()
}

fn postgres_answers_at(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let timeout = stream.set_read_timeout(Some(Duration::from_millis(300)));
    timeout.is_ok() && postgres_answers(stream)
}

fn redis_answers(url: &str) -> Result<bool> {
    let rest = url.strip_prefix("redis://:").context("not a Redis URL")?;
    let (password, address) = rest.split_once('@').context("no password")?;
    let Ok(mut stream) = TcpStream::connect(address) else { return Ok(false) };
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    write!(stream, "AUTH {password}\r\nPING\r\n")?;
    let mut answer = [0; 12];
    Ok(stream.read_exact(&mut answer).is_ok() && &answer == b"+OK\r\n+PONG\r\n")
}

#[test]
fn tests_share_one_postgres_and_one_redis() -> Result<()> {
    let first = Services::for_tests()?;
    let second = Services::for_tests()?;
    assert_eq!(first.postgres_url(), second.postgres_url());
    assert_eq!(first.redis_url(), second.redis_url());
    if std::env::var_os("DATABASE_URL").is_none() {
        let host = first.postgres_url().split(['@', '/']).nth(3).context("no host")?;
        let socket = format!("{}/.s.PGSQL.5432", host.replace("%2F", "/"));
        assert!(postgres_answers(UnixStream::connect(socket)?));
        assert!(first.postgres_url_of("x").ends_with("/x"));
    }
    if std::env::var_os("REDIS_URL").is_none() {
        assert!(redis_answers(first.redis_url())?);
        assert!(first.redis_socket_url().starts_with("redis+unix:///"));
    }
    Ok(())
}

#[test]
fn a_private_postgres_is_paused_killed_and_started_again() -> Result<()> {
    let cluster = Cluster::private(&ClusterOptions::new().postgres().durable())?;
    let folder = cluster.folder().to_owned();
    let postgres = cluster.postgres()?;
    assert!(postgres_answers_at(postgres.port()));
    postgres.pause()?;
    assert!(!postgres_answers_at(postgres.port()), "frozen, it must not answer");
    postgres.resume()?;
    assert!(postgres_answers_at(postgres.port()));
    for stop in [devkit::Node::kill, devkit::Node::stop_immediate, devkit::Node::stop] {
        stop(postgres)?;
        assert!(!postgres_answers_at(postgres.port()));
        postgres.start()?;
        assert!(postgres_answers_at(postgres.port()));
    }
    assert!(cluster.redis().is_err());
    drop(cluster);
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn a_private_redis_keeps_its_port_through_a_restart() -> Result<()> {
    let cluster = Cluster::private(&ClusterOptions::new().redis())?;
    let redis = cluster.redis()?;
    let url = redis.url()?;
    assert!(redis_answers(&url)?);
    redis.pause()?;
    let asked = Instant::now();
    assert!(!redis_answers(&url)?);
    assert!(asked.elapsed() < Duration::from_secs(2));
    redis.resume()?;
    redis.kill()?;
    assert!(!redis_answers(&url)?);
    redis.start()?;
    assert!(redis_answers(&url)?);
    Ok(())
}
