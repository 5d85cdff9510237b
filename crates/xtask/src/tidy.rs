//! `tidy`: the architecture's invariants that no lint knows.

mod imports;
mod layout;
mod metrics;
mod rust;
mod sizes;
mod sql;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A Rust file: its path from the root of the checkout, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The crate's folder name.
    fn crate_name(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }
}

/// The crates that are slices: a domain each, with the PostgreSQL schema of the same name.
const SLICES: [&str; 8] =
    ["booking", "tickets", "gala", "floor", "spa", "payments", "identity", "notify"];

pub(crate) fn run() -> Result<()> {
    let root = devkit::workspace_root();
    let sources = sources(&root)?;
    let findings = findings(&root, &sources)?;
    for finding in &findings {
        println!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} breaches of the house rules", findings.len());
    }
    println!("tidy: {} files keep the rules", sources.len());
    Ok(())
}

fn findings(root: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let mut found = layout::check_top_level(&names_in(root)?);
    for name in names_in(&root.join("crates"))? {
        let folder = root.join("crates").join(&name);
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        found.extend(imports::check(&name, &manifest));
        found.extend(layout::check_crate(&name, &names_in(&folder)?));
    }
    for source in sources {
        let parsed = rust::parse(&source.text);
        found.extend(layout::check_name(&source.path));
        found.extend(sizes::check(source, &parsed));
        found.extend(sql::check(source, &parsed));
    }
    for path in metrics::WATCHERS {
        let text = fs::read_to_string(root.join(path)).with_context(|| format!("no {path}"))?;
        found.extend(metrics::check(path, &text, sources));
    }
    Ok(found)
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    collect(&root.join("crates"), &mut paths)?;
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path)?;
        let path = path.strip_prefix(root)?.to_string_lossy().into_owned();
        Ok(Source { path, text })
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}
