//! `rowlock healthcheck`: for images that have no curl.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config::Healthcheck;

/// How long the worker may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

pub(crate) async fn run(check: &Healthcheck) -> anyhow::Result<()> {
    let address = (Ipv4Addr::LOCALHOST, check.port).into();
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)
        .with_context(|| format!("nothing listens on {address}"))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let status = answer.split_whitespace().nth(1).unwrap_or("none");
    if status == "200" {
        println!("ready");
        return Ok(());
    }
    bail!("the worker on {address} answers {status}: {}", answer.lines().last().unwrap_or(""))
}
