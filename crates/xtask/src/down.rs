//! `down`: stops an `up` that runs elsewhere.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use devkit::Lasting;

/// Draining workers, HAProxy and PostgreSQL's last checkpoint.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn run() -> Result<()> {
    let workspace = devkit::workspace_root();
    if let Some(pid) = Lasting::holder(&workspace)? {
        println!("down: asking process {pid} to stop");
        Lasting::ask_to_stop(pid)?;
        let deadline = Instant::now() + PATIENCE;
        while Lasting::holder(&workspace)?.is_some() {
            if Instant::now() >= deadline {
                bail!("process {pid} is still there after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(100));
        }
    }
    // Opening the folder stops servers that a killed run has left in it.
    let lasting = Lasting::open(&workspace)?;
    println!("down: nothing runs in {}", lasting.folder().display());
    Ok(())
}
