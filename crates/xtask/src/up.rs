//! `up`: all set-up, then the product, until Ctrl-C.

mod facts;
mod front;
pub(crate) mod probe;
mod product;
mod workers;

use std::net::IpAddr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use devkit::{Lasting, LastingServices};

use crate::cargo::{Profile, build_rowlock};
use facts::Facts;
use front::Front;
use product::Product;
use workers::Workers;

const LOOK: Duration = Duration::from_millis(200);

/// How to run the product.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Throw the data of earlier runs away first.
    #[arg(long)]
    fresh: bool,
    /// How many workers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// The port of the base URL; the next free one if it is taken.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address that the base URL's port is bound to; 0.0.0.0 lets other machines in.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Build for speed; the first time takes minutes.
    #[arg(long)]
    release: bool,
    /// A server that is built already, instead of building one.
    #[arg(long, value_name = "PROGRAM")]
    bin: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let begun = Instant::now();
    println!("up: PostgreSQL and Redis, build, migrate, demo data, {} workers", options.workers);
    devkit::watch_interrupts();
    let lasting = Lasting::open(&devkit::workspace_root())?;
    step("folder", &lasting.folder().display().to_string());
    if options.fresh {
        lasting.wipe()?;
        step("fresh", "the data of earlier runs is gone");
    }
    let mut services = lasting.start()?;
    step("postgres", &described(services.postgres.as_ref(), &services.database_url));
    step("redis", &described(services.redis.as_ref(), &services.redis_url));
    let outcome = serve(options, &lasting, &services, begun);
    stop_services(&mut services)?;
    match outcome {
        Err(error) if devkit::interrupted() => {
            println!("up: stopped before it was ready ({error:#})");
            Ok(())
        }
        other => other,
    }
}

/// Builds, migrates, seeds, starts the workers and stays until it is told to stop.
fn serve(
    options: &Options,
    lasting: &Lasting,
    services: &LastingServices,
    begun: Instant,
) -> Result<()> {
    let built = build(options)?;
    stop_if_asked()?;
    let product = Product::install(lasting, &built, services)?;
    step("migrate", "bringing the schema up to date");
    product.migrate()?;
    step("demo", "a venue, a show and accounts, where they are missing");
    let demo = product.demo()?;
    stop_if_asked()?;
    let front = Front::choose(lasting, options.host, options.port, usize::from(options.workers))?;
    let mut workers = Workers::start(&product, &front)?;
    let mut balancer = front.start(lasting)?;
    let facts = Facts::new(&front, services, demo);
    let file = facts.write(lasting)?;
    facts.print(&file, &product.logs(), begun.elapsed());
    while !devkit::interrupted() {
        sleep(LOOK);
        workers.look_after()?;
        if let Some(status) = balancer.as_mut().map(devkit::Running::exited).transpose()?.flatten()
        {
            bail!("HAProxy ended ({status}), its log is in {}", product.logs().display());
        }
    }
    println!("\nup: stopping; workers drain first");
    workers.stop();
    if let Some(mut balancer) = balancer {
        balancer.stop(devkit::Signal::Terminate, Duration::from_secs(5))?;
        step("haproxy", "stopped");
    }
    Ok(())
}

fn build(options: &Options) -> Result<PathBuf> {
    if let Some(built) = &options.bin {
        return Ok(built.clone());
    }
    step("build", "cargo build of rowlock; minutes the first time, then seconds");
    build_rowlock(if options.release { Profile::Release } else { Profile::Debug })
}

fn stop_services(services: &mut LastingServices) -> Result<()> {
    let ours = services.postgres.is_some() || services.redis.is_some();
    services.stop()?;
    if ours {
        step("servers", "PostgreSQL and Redis stopped; their data stays for the next `up`");
    }
    Ok(())
}

/// One line of progress.
fn step(what: &str, detail: &str) {
    println!("{what:<10} {detail}");
}

fn stop_if_asked() -> Result<()> {
    if devkit::interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

/// Where a server is, without its password.
fn described(server: Option<&devkit::Running>, url: &str) -> String {
    let address = url.rsplit('@').next().unwrap_or_default();
    match server {
        Some(running) => format!("started on {address}, log {}", running.log().display()),
        None => format!("given: {address}"),
    }
}
