//! The worker processes: started, watched, restarted a bounded number of times, drained.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use devkit::{Running, Signal};

use super::front::Front;
use super::product::Product;
use super::{probe, step};

const READY_PATIENCE: Duration = Duration::from_secs(30);
/// The drain delay, the sockets' farewell, and what is being written.
const DRAIN_PATIENCE: Duration = Duration::from_secs(15);
/// HAProxy looks twice, half a second apart, before it believes that a worker is going.
const DRAIN_DELAY_MS: &str = "1500";
/// A worker that dies this often in one run of `up` is broken, and starting it again hides it.
const RESTARTS_MAX: u32 = 5;

/// All workers of one `up`.
pub(super) struct Workers<'a> {
    product: &'a Product,
    shared_port: bool,
    all: Vec<Worker>,
}

struct Worker {
    name: String,
    address: SocketAddr,
    running: Option<Running>,
    restarts: u32,
}

impl<'a> Workers<'a> {
    /// Starts all of them and waits until each is ready.
    pub(super) fn start(product: &'a Product, front: &Front) -> Result<Self> {
        let named = (1..).zip(&front.workers).map(|(number, address)| Worker {
            name: format!("worker{number}"),
            address: *address,
            running: None,
            restarts: 0,
        });
        let all = named.collect();
        let mut workers = Self { product, shared_port: front.is_shared(), all };
        for worker in &mut workers.all {
            worker.running = Some(launch(product, worker, workers.shared_port)?);
        }
        for worker in &mut workers.all {
            let address = worker.address;
            if let Some(running) = &mut worker.running {
                running.wait_ready(READY_PATIENCE, || {
                    devkit::interrupted() || probe::answers_ok(address, "/readyz")
                })?;
            }
            if devkit::interrupted() {
                bail!("interrupted");
            }
            step(&worker.name, &format!("ready on http://{address}"));
        }
        Ok(workers)
    }

    /// Starts those again that have died.
    pub(super) fn look_after(&mut self) -> Result<()> {
        for worker in &mut self.all {
            let Some(running) = &mut worker.running else { continue };
            let Some(status) = running.exited()? else { continue };
            let log = running.log().display().to_string();
            worker.running = None;
            if worker.restarts == RESTARTS_MAX {
                step(
                    &worker.name,
                    &format!("ended ({status}) once too often; it stays down, see {log}"),
                );
                continue;
            }
            worker.restarts += 1;
            let count = worker.restarts;
            step(
                &worker.name,
                &format!("ended ({status}), restart {count} of {RESTARTS_MAX}; see {log}"),
            );
            worker.running = Some(launch(self.product, worker, self.shared_port)?);
        }
        if self.all.iter().all(|worker| worker.running.is_none()) {
            bail!("no worker is left; their logs are in {}", self.product.logs().display());
        }
        Ok(())
    }

    /// Tells all of them at once to drain, then waits for each.
    pub(super) fn stop(&mut self) {
        let running: Vec<&mut Running> =
            self.all.iter_mut().filter_map(|worker| worker.running.as_mut()).collect();
        let begun = Instant::now();
        for worker in running {
            // One that has died in between needs no signal.
            let _ = worker.signal(Signal::Terminate);
        }
        for worker in &mut self.all {
            let Some(mut running) = worker.running.take() else { continue };
            let left = DRAIN_PATIENCE.saturating_sub(begun.elapsed());
            match running.wait(left) {
                Ok(Some(status)) if status.success() => step(&worker.name, "drained"),
                Ok(Some(status)) => step(&worker.name, &format!("ended: {status}")),
                _ => step(&worker.name, &format!("did not drain in {DRAIN_PATIENCE:?}, killed")),
            }
        }
    }
}

fn launch(product: &Product, worker: &Worker, shared_port: bool) -> Result<Running> {
    let mut command = product.command("serve");
    command.env("BIND", worker.address.to_string()).env("WORKER_ID", &worker.name);
    command.env("DRAIN_DELAY_MS", DRAIN_DELAY_MS).env("NO_COLOR", "1");
    if shared_port {
        command.env("REUSE_PORT", "1");
    }
    let log = product.logs().join(format!("{}.log", worker.name));
    Running::start(&worker.name, command, &log, Signal::Terminate)
}
