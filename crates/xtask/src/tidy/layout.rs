//! Names of files, and what stands where.

/// All that the top level holds besides dot-files.
const TOP_LEVEL: [&str; 14] = [
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "Procfile",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "docker-compose.yml",
    "migrations",
    "openapi",
    "rustfmt.toml",
    "target",
];

/// Names that say nothing: put the function where its noun lives.
const FORBIDDEN: [&str; 5] = ["common.rs", "helpers.rs", "misc.rs", "mod.rs", "utils.rs"];

pub(super) fn check_top_level(names: &[String]) -> Vec<String> {
    let fits = |name: &str| {
        name.starts_with('.') || name.starts_with("LICENSE") || TOP_LEVEL.contains(&name)
    };
    let strangers = names.iter().filter(|name| !fits(name));
    strangers.map(|name| format!("{name}: does not belong at the top level")).collect()
}

pub(super) fn check_crate(name: &str, files: &[String]) -> Option<String> {
    let has_readme = files.iter().any(|file| file == "README.md");
    (!has_readme).then(|| format!("crates/{name}: has no README.md, which is its documentation"))
}

pub(super) fn check_name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    FORBIDDEN.contains(&name).then(|| match name {
        "mod.rs" => format!("{path}: a module's root is `name.rs` beside the folder `name`"),
        _ => format!("{path}: the name says nothing, put things where their noun lives"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_at_the_top_level_is_found() {
        let names = ["Cargo.toml", ".ci", "LICENSE-MIT", "scripts"].map(str::to_owned);
        assert_eq!(check_top_level(&names).len(), 1);
        assert!(check_top_level(&names).concat().starts_with("scripts"));
    }

    #[test]
    fn a_crate_without_a_readme_is_found() {
        assert!(check_crate("pg", &["Cargo.toml".to_owned()]).is_some());
        assert!(check_crate("pg", &["README.md".to_owned()]).is_none());
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert!(check_name("crates/pg/src/utils.rs").is_some());
        assert!(check_name("crates/pg/src/tx/mod.rs").is_some());
        assert!(check_name("crates/pg/src/tx.rs").is_none());
    }
}
