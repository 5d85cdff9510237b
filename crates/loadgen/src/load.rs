//! Clients in a closed loop: each has one connection, sends its next request when the last one was
//! answered, and stops when the time is over.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::http::{Connection, write_request};
use crate::latency::Latencies;

/// How much longer than planned a run may take before it counts as stuck.
const GRACE: Duration = Duration::from_secs(15);
/// Answers that are shown when something goes wrong.
const SAMPLES_MAX: usize = 3;

/// Where the requests go, how many at a time, for how long.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) workers: Vec<SocketAddr>,
    pub(crate) clients: usize,
    pub(crate) time: Duration,
}

/// What comes next: fills `body` and gives the head, or nothing when there is nothing left.
pub(crate) trait Source {
    /// The next request; `body` is empty.
    fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str>;
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ok: u64,
    /// 409: somebody else was faster.
    pub(crate) refused: u64,
    pub(crate) errors: u64,
    /// The source had nothing left before the time was over.
    pub(crate) ran_dry: bool,
    /// The first few answers that were no success.
    pub(crate) samples: Vec<String>,
    pub(crate) latencies: Latencies,
}

/// Runs the plan with requests from `source`.
pub(crate) async fn run<S: Source + 'static>(plan: &Plan, source: S) -> Result<Tally> {
    let mut connections = Vec::with_capacity(plan.clients);
    for worker in plan.workers.iter().cycle().take(plan.clients) {
        connections.push(Connection::open(*worker).await?);
    }
    let source = Rc::new(RefCell::new(source));
    let deadline = Instant::now() + plan.time;
    let all = LocalSet::new();
    let clients: Vec<_> = connections
        .into_iter()
        .map(|connection| all.spawn_local(client(connection, Rc::clone(&source), deadline)))
        .collect();
    let finished = all.run_until(async {
        let mut total = Tally::default();
        for client in clients {
            total.add(client.await??);
        }
        anyhow::Ok(total)
    });
    timeout(plan.time + GRACE, finished).await.context("the server does not answer any more")?
}

async fn client<S: Source>(
    mut connection: Connection,
    source: Rc<RefCell<S>>,
    deadline: Instant,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let (mut body, mut request) = (String::new(), Vec::new());
    while Instant::now() < deadline {
        body.clear();
        let key = uuid::Uuid::new_v4();
        let mut text = uuid::Uuid::encode_buffer();
        let key = key.hyphenated().encode_lower(&mut text);
        if let Some(head) = source.borrow_mut().next(&mut body) {
            write_request(&mut request, head, key, &body);
        } else {
            tally.ran_dry = true;
            break;
        }
        let sent = Instant::now();
        let reply = connection.send(&request).await?;
        match reply.status {
            200..300 => {
                tally.ok += 1;
                tally.latencies.push(sent.elapsed().as_micros());
            }
            status => tally.note(status, reply.body),
        }
    }
    Ok(tally)
}

impl Tally {
    fn note(&mut self, status: u16, body: &[u8]) {
        if status == 409 {
            self.refused += 1;
        } else {
            self.errors += 1;
        }
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(format!("{status}: {}", String::from_utf8_lossy(body)));
        }
    }

    fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.refused += other.refused;
        self.errors += other.errors;
        self.ran_dry |= other.ran_dry;
        self.latencies.append(other.latencies);
        self.samples.extend(other.samples);
        self.samples.truncate(SAMPLES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    struct Few(u8);

    impl Source for Few {
        fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
            self.0 = self.0.checked_sub(1)?;
            body.push_str("{}");
            Some("POST / HTTP/1.1\r\nidempotency-key: ")
        }
    }

    #[tokio::test]
    async fn every_answer_is_counted_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let answers = ["HTTP/1.1 201 Created", "HTTP/1.1 409 Conflict", "HTTP/1.1 500 Oops"];
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.unwrap();
                let answer = format!("{answer}\r\ncontent-length: 2\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let plan = Plan { workers: vec![address], clients: 1, time: Duration::from_secs(5) };
        let tally = run(&plan, Few(3)).await.unwrap();
        assert_eq!((tally.ok, tally.refused, tally.errors), (1, 1, 1));
        assert!(tally.ran_dry);
        assert_eq!(tally.samples, ["409: {}", "500: {}"]);
    }
}
