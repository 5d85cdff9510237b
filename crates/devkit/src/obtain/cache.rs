//! The cache of fetched programs: a folder per pinned archive, complete or absent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{Account, place};

/// The folder of `name`, filled by `fill` if it is not there yet.
///
/// Several test processes may ask at once: one fills, the others wait.
pub(super) fn folder(
    name: &str,
    account: &Account,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let cache = place::for_programs()?;
    fs::create_dir_all(&cache).with_context(|| format!("can't make {}", cache.display()))?;
    let complete = cache.join(name);
    if !account.reaches(&complete.join("x")) {
        anyhow::bail!("{} can't be reached by the servers' account", cache.display());
    }
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let partial = cache.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir(&partial)?;
    fill(&partial)?;
    fs::rename(&partial, &complete)?;
    Ok(complete)
}
