//! What stands before the workers: HAProxy, or the kernel that shares one port between them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use devkit::{Lasting, Running, haproxy};

use super::{probe, step};

/// How far from the wished port a free one is looked for.
const PORTS_TRIED: u16 = 100;
const READY_PATIENCE: Duration = Duration::from_secs(15);

/// Addresses of the base URL and of the workers.
pub(super) struct Front {
    pub(super) base: SocketAddr,
    pub(super) workers: Vec<SocketAddr>,
    /// None: the workers share the base's port.
    balancer: Option<PathBuf>,
}

impl Front {
    /// Chooses ports for everybody.
    pub(super) fn choose(
        lasting: &Lasting,
        host: IpAddr,
        port: u16,
        workers: usize,
    ) -> Result<Self> {
        let base = SocketAddr::new(host, free_from(host, port)?);
        if base.port() != port {
            step("port", &format!("{port} is taken, so it is {}", base.port()));
        }
        let Some(balancer) = haproxy::locate(lasting.account()) else {
            step(
                "balancer",
                "no HAProxy: all workers share one port and the kernel spreads connections",
            );
            return Ok(Self { base, workers: vec![base; workers], balancer: None });
        };
        let ports = devkit::free_ports(workers)?.into_iter();
        let workers = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).collect();
        Ok(Self { base, workers, balancer: Some(balancer) })
    }

    /// Whether the workers share one port.
    pub(super) fn is_shared(&self) -> bool {
        self.balancer.is_none()
    }

    /// The base URL, as this machine reaches it.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}", local(self.base))
    }

    /// Starts HAProxy, if there is one, and waits until a request passes through it.
    pub(super) fn start(&self, lasting: &Lasting) -> Result<Option<Running>> {
        let Some(program) = &self.balancer else { return Ok(None) };
        let path = devkit::workspace_root().join("deploy/haproxy/haproxy.cfg");
        let template = fs::read_to_string(&path);
        let template = template.with_context(|| format!("can't read {}", path.display()))?;
        let config = haproxy::fill(&template, self.base, &self.workers)?;
        let folder = lasting.subfolder("run")?;
        let mut running = haproxy::start(program, lasting.account(), &folder, &config)?;
        running.wait_ready(READY_PATIENCE, || probe::answers_ok(local(self.base), "/readyz"))?;
        step("haproxy", &format!("{} before {} workers", self.base_url(), self.workers.len()));
        Ok(Some(running))
    }
}

/// The address at which this machine reaches a socket that may be bound to all addresses.
fn local(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()))
    } else {
        address
    }
}

fn free_from(host: IpAddr, port: u16) -> Result<u16> {
    let candidates = port..=port.saturating_add(PORTS_TRIED);
    for candidate in candidates {
        if TcpListener::bind((host, candidate)).is_ok() {
            return Ok(candidate);
        }
    }
    bail!("no free port from {port} on at {host}: name another with --port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() -> Result<()> {
        let host = IpAddr::from(Ipv4Addr::LOCALHOST);
        let taken = TcpListener::bind((host, 0))?;
        let port = taken.local_addr()?.port();
        assert!(free_from(host, port)? > port);
        Ok(())
    }

    #[test]
    fn an_address_for_all_is_reached_over_loopback() -> Result<()> {
        assert_eq!(local("0.0.0.0:80".parse()?), "127.0.0.1:80".parse()?);
        assert_eq!(local("127.0.0.2:80".parse()?), "127.0.0.2:80".parse()?);
        Ok(())
    }
}
