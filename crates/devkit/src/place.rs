//! Which folder what lives in.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{Account, os, secret};

const MEMORY: &str = "/dev/shm";
const DISK: &str = "/var/tmp";
/// Docker gives `/dev/shm` 64 MB, which the databases of a test run outgrow.
const MEMORY_NEEDED_KIB: u64 = 1024 * 1024;

/// The root of the checkout that this crate was built from.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// Where throw-away servers live: memory when there is room, else the disk.
pub(crate) fn for_throw_away() -> &'static Path {
    let roomy = free_kib(Path::new(MEMORY)).is_some_and(|kib| kib >= MEMORY_NEEDED_KIB);
    Path::new(if roomy { MEMORY } else { DISK })
}

/// Where servers live whose writes must reach the disk.
pub(crate) fn for_durable() -> &'static Path {
    Path::new(DISK)
}

/// The folder of the servers that all tests of this checkout share.
pub(crate) fn for_tests() -> PathBuf {
    let name = format!("rowlock-{}-{}", os::effective_uid(), fingerprint(&workspace_root()));
    // A folder that exists is kept even if memory has become scarce: its servers may be running.
    let kept = Path::new(MEMORY).join(&name);
    if kept.is_dir() { kept } else { for_throw_away().join(name) }
}

/// The folder of `cargo xtask up`: `.rowlock/` of the checkout if the servers' account can get there.
pub(crate) fn for_lasting(workspace: &Path, account: &Account) -> Result<PathBuf> {
    let near = workspace.join(".rowlock");
    if account.reaches(&near.join("x")) && make_private(&near).is_ok() {
        return Ok(near);
    }
    let uid = os::effective_uid();
    let mark = fingerprint(workspace);
    let far = if uid == 0 {
        Path::new("/var/lib/rowlock").join(mark)
    } else {
        Path::new(DISK).join(format!("rowlock-{uid}-{mark}-up"))
    };
    if let Some(parent) = far.parent().filter(|_| uid == 0) {
        fs::create_dir_all(parent)?;
    }
    make_private(&far)?;
    Ok(far)
}

/// Where fetched programs are kept; readable by the servers' account.
pub(crate) fn for_programs() -> Result<PathBuf> {
    if Account::caller_is_root() {
        return Ok(PathBuf::from("/var/cache/rowlock"));
    }
    let cache = std::env::var("XDG_CACHE_HOME").ok().filter(|path| path.starts_with('/'));
    let cache = cache.map(PathBuf::from);
    let home = || std::env::var("HOME").map(|home| Path::new(&home).join(".cache")).ok();
    let folder = cache.or_else(home).context("HOME is not set, so there is no cache folder")?;
    Ok(folder.join("rowlock"))
}

/// Makes a folder that is ours alone; one that somebody else made there first is refused.
pub(crate) fn make_private(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    let found = fs::symlink_metadata(folder);
    let found = found.with_context(|| match made {
        Err(error) => format!("can't make {}: {error}", folder.display()),
        Ok(()) => format!("{} vanished", folder.display()),
    })?;
    let foreign = found.uid() != os::effective_uid();
    if !found.is_dir() || foreign || found.mode() & 0o022 != 0 {
        bail!("{} belongs to somebody else or is open to others: remove it", folder.display());
    }
    Ok(())
}

fn fingerprint(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    secret::hex(digest.get(..4).unwrap_or_default())
}

fn free_kib(folder: &Path) -> Option<u64> {
    let answer = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    parse_df(&String::from_utf8_lossy(&answer.stdout))
}

fn parse_df(text: &str) -> Option<u64> {
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_room_is_the_fourth_column() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 65536 12 65524 1% /dev/shm\n";
        assert_eq!(parse_df(text), Some(65524));
        assert_eq!(parse_df(""), None);
    }

    #[test]
    fn each_checkout_has_its_own_folder() {
        assert_eq!(fingerprint(Path::new("/a")), fingerprint(Path::new("/a")));
        assert_ne!(fingerprint(Path::new("/a")), fingerprint(Path::new("/b")));
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("devkit-place-{}", std::process::id()));
        make_private(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let refused = make_private(&folder);
        fs::remove_dir(&folder).unwrap();
        assert!(refused.is_err());
    }
}
