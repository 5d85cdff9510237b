//! How fast a commit can be: the time that the disk takes to keep 8 KiB.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::latency::Latencies;

const PROBE_TIME: Duration = Duration::from_secs(1);
/// PostgreSQL's page.
const PAGE_BYTES: usize = 8192;
const MICROS_PER_MS: f64 = 1e3;

/// The median of `fdatasync` after a page was written over, in milliseconds, in a folder on the
/// same disk as the database.
pub(crate) fn fdatasync_ms(folder: &Path) -> Result<f64> {
    let path = folder.join("fdatasync.probe");
    let file = File::create(&path);
    let file = file.with_context(|| format!("{} can't be written", path.display()))?;
    file.write_all_at(&[0; PAGE_BYTES], 0)?;
    file.sync_all()?;
    let mut times = Latencies::default();
    let begun = Instant::now();
    while begun.elapsed() < PROBE_TIME {
        file.write_all_at(&[1; PAGE_BYTES], 0)?;
        let asked = Instant::now();
        file.sync_data()?;
        times.push(asked.elapsed().as_micros());
    }
    std::fs::remove_file(&path)?;
    Ok(f64::from(times.percentile(50)) / MICROS_PER_MS)
}
