//! Debian's packages, installed by root and not started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::must_be_root_on_debian;
use crate::{find, say};

const POLICY: &str = "/usr/sbin/policy-rc.d";
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs packages with apt-get; their services are neither started nor enabled.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    must_be_root_on_debian()?;
    let names = packages.join(" ");
    say("apt", &format!("none on this machine: apt-get install {names}, {}", size(packages)));
    if packages.contains(&"postgresql") {
        forbid_main_cluster()?;
    }
    let _quiet = NoServices::declare()?;
    apt_get(&["update", "-qq"])?;
    let keep = "Dpkg::Options::=--force-confold";
    let plain = "Dpkg::Use-Pty=0";
    let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
    arguments.extend(["-o", keep, "-o", plain]);
    arguments.extend_from_slice(packages);
    apt_get(&arguments)?;
    disable(packages);
    Ok(())
}

fn size(packages: &[&str]) -> &'static str {
    if packages.contains(&"postgresql") { "75 MB, 20 s to 2 min" } else { "2 MB, some seconds" }
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    // Its chatter is progress, so it belongs to standard error like ours.
    let output = command.stdout(std::io::stderr()).status().context("apt-get can't be run")?;
    if !output.success() {
        bail!("apt-get {} failed ({output})", arguments.join(" "));
    }
    Ok(())
}

/// Else the package would make a database cluster of its own that nobody asked for.
fn forbid_main_cluster() -> Result<()> {
    let settings = Path::new(CLUSTER_SETTINGS);
    if settings.exists() {
        return Ok(());
    }
    fs::create_dir_all("/etc/postgresql-common")?;
    fs::write(settings, "create_main_cluster = false\n").context("can't write createcluster.conf")
}

/// At the next boot they would start: ours are started by us only.
fn disable(packages: &[&str]) {
    if find::in_path("systemctl").is_some() {
        let mut command = Command::new("systemctl");
        command.arg("disable").args(packages).stdout(Stdio::null()).stderr(Stdio::null());
        // Without a running init there is nothing to disable.
        let _ = command.stdin(Stdio::null()).status();
    }
}

/// While it lives, Debian's maintainer scripts start no services.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn declare() -> Result<Self> {
        let policy = Path::new(POLICY);
        if policy.exists() {
            return Ok(Self { ours: false });
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("can't write {POLICY}"))?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            // Nothing can be done about a failure here; the file says what it does.
            let _ = fs::remove_file(POLICY);
        }
    }
}
