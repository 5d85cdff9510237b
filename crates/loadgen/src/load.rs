//! Clients in a closed loop: each has one connection, sends its next request when the last one was
//! answered, and stops when the time is over.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use crate::http::{Connection, write_request};
use crate::latency::Latencies;

/// How much longer than planned a run may take before it counts as stuck.
const GRACE: Duration = Duration::from_secs(15);
/// How often a client that is patient repeats one request after a 503, and how long it waits at most.
const REPEATS_MAX: u32 = 4;
const PAUSE_MAX_SECS: u32 = 2;
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
    /// 503, repeated with the same key: only by clients that are patient.
    pub(crate) repeated: u64,
    /// The source had nothing left before the time was over.
    pub(crate) ran_dry: bool,
    /// The first few answers that were no success.
    pub(crate) samples: Vec<String>,
    pub(crate) latencies: Latencies,
}

/// Runs the plan with requests from `source`.
pub(crate) async fn run<S: Source + 'static>(plan: &Plan, source: S) -> Result<Tally> {
    run_with(plan, source, 0).await
}

/// The same with clients that do as a 503 says: wait, and repeat the request with the same key. They
/// are none to measure with.
pub(crate) async fn run_patiently<S: Source + 'static>(plan: &Plan, source: S) -> Result<Tally> {
    run_with(plan, source, REPEATS_MAX).await
}

async fn run_with<S: Source + 'static>(plan: &Plan, source: S, repeats_max: u32) -> Result<Tally> {
    let mut connections = Vec::with_capacity(plan.clients);
    for worker in plan.workers.iter().cycle().take(plan.clients) {
        connections.push(Connection::open(*worker).await?);
    }
    let source = Rc::new(RefCell::new(source));
    let deadline = Instant::now() + plan.time;
    let all = LocalSet::new();
    let clients: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            all.spawn_local(client(connection, Rc::clone(&source), (deadline, repeats_max)))
        })
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
    (deadline, repeats_max): (Instant, u32),
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
        let (sent, mut repeats) = (Instant::now(), 0);
        loop {
            let reply = connection.send(&request).await?;
            match reply.status {
                200..300 => {
                    tally.ok += 1;
                    tally.latencies.push(sent.elapsed().as_micros());
                }
                503 if repeats < repeats_max => {
                    repeats += 1;
                    tally.repeated += 1;
                    sleep(pause(reply.retry_after_secs)).await;
                    continue;
                }
                status => tally.note(status, reply.body),
            }
            break;
        }
    }
    Ok(tally)
}

/// What the server asks for, give or take a half, so that not all come back at once.
fn pause(retry_after_secs: Option<u32>) -> Duration {
    let [random, ..] = *uuid::Uuid::new_v4().as_bytes();
    let asked = Duration::from_secs(retry_after_secs.unwrap_or(1).min(PAUSE_MAX_SECS).into());
    asked / 2 + asked * u32::from(random) / 255
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
        self.repeated += other.repeated;
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
    use tokio::task::JoinHandle;

    struct Few(u8);

    impl Source for Few {
        fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
            self.0 = self.0.checked_sub(1)?;
            body.push_str("{}");
            Some("POST / HTTP/1.1\r\nidempotency-key: ")
        }
    }

    /// A server that answers one client with these heads, and gives the requests that it got.
    async fn answering(heads: &'static [&'static str]) -> (Plan, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut requests = Vec::new();
            let (mut stream, _) = listener.accept().await.unwrap();
            for head in heads {
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        (Plan { workers: vec![address], clients: 1, time: Duration::from_secs(5) }, serving)
    }

    #[tokio::test]
    async fn every_answer_is_counted_once() {
        let (plan, _serving) = answering(&["201 Created", "409 Conflict", "500 Oops"]).await;
        let tally = run(&plan, Few(3)).await.unwrap();
        assert_eq!((tally.ok, tally.refused, tally.errors), (1, 1, 1));
        assert!(tally.ran_dry);
        assert_eq!(tally.samples, ["409: {}", "500: {}"]);
    }

    #[tokio::test]
    async fn only_the_patient_repeat_what_was_busy_with_the_same_key_and_not_for_ever() {
        const BUSY: &str = "503 Busy\r\nretry-after: 0";
        let (plan, serving) = answering(&[BUSY, BUSY, "200 OK"]).await;
        let tally = run_patiently(&plan, Few(1)).await.unwrap();
        assert_eq!((tally.ok, tally.errors, tally.repeated), (1, 0, 2));
        let requests = serving.await.unwrap();
        assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
        let (plan, _serving) = answering(&[BUSY; 5]).await;
        let tally = run_patiently(&plan, Few(1)).await.unwrap();
        assert_eq!((tally.ok, tally.errors, tally.repeated), (0, 1, u64::from(REPEATS_MAX)));
        let (plan, _serving) = answering(&[BUSY]).await;
        let tally = run(&plan, Few(1)).await.unwrap();
        assert_eq!((tally.errors, tally.repeated), (1, 0));
    }

    #[test]
    fn a_pause_is_what_was_asked_for_give_or_take_a_half_and_has_an_end() {
        for (asked, least, most) in
            [(None, 500, 1500), (Some(1), 500, 1500), (Some(600), 1000, 3000)]
        {
            let pause = pause(asked).as_millis();
            assert!((least..=most).contains(&pause), "{pause} ms for {asked:?}");
        }
    }
}
