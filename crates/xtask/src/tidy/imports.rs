//! Who may import whom, read from the crates' manifests.

use super::SLICES;

/// What a slice may import besides the layers below it; `notify` is open to all slices.
const BETWEEN_SLICES: [(&str, &str); 5] = [
    ("booking", "tickets"),
    ("booking", "payments"),
    ("gala", "booking"),
    ("gala", "tickets"),
    ("spa", "payments"),
];

/// The layers below the slices, lowest first: each may import those before it.
const LAYERS: [&str; 4] = ["kernel", "pg", "bus", "edge"];

/// The crates outside the layers, and what of ours they may import.
const OUTSIDE: [(&str, &[&str]); 6] = [
    ("realtime", &LAYERS),
    ("devkit", &[]),
    ("testkit", &["devkit", "kernel", "pg", "bus", "edge"]),
    ("xtask", &["devkit"]),
    ("loadgen", &[]),
    ("console", &[]),
];

/// Crates that have one door each: the prefix of the name, and who may use it.
const DOORS: [(&str, &[&str]); 4] = [
    ("redis", &["bus", "testkit", "devkit", "xtask"]),
    ("tokio-postgres", &["pg", "testkit"]),
    ("deadpool", &["pg", "testkit"]),
    ("refinery", &["pg", "testkit"]),
];

/// What must not know the web framework.
const WITHOUT_ACTIX: [&str; 3] = ["kernel", "pg", "bus"];

pub(super) fn check(name: &str, manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let Some(allowed) = allowed(name) else {
        return vec![format!(
            "crates/{name}: not in the plan of who imports whom, add it there first"
        )];
    };
    for (section, dependency) in dependencies(manifest) {
        let finding = format!("crates/{name}/Cargo.toml: may not depend on `{dependency}`");
        let for_tests = section == Section::Tests;
        if is_ours(dependency) && dependency != name {
            let testing = for_tests && ["testkit", "devkit"].contains(&dependency);
            if !testing && name != "rowlock" && !allowed.contains(&dependency) {
                findings.push(finding);
            } else if name == "rowlock" && !for_tests && is_for_development(dependency) {
                findings.push(format!("{finding}: it is for development only"));
            }
            continue;
        }
        let door = DOORS.iter().find(|(prefix, _)| dependency.starts_with(prefix));
        if let Some((_, may)) = door.filter(|(_, may)| !for_tests && !may.contains(&name)) {
            findings.push(format!("{finding}: only {} may", may.join(", ")));
        }
        if dependency.starts_with("actix") && !for_tests && WITHOUT_ACTIX.contains(&name) {
            findings.push(format!("{finding}: only edge and handlers know it"));
        }
    }
    findings
}

fn is_for_development(name: &str) -> bool {
    ["devkit", "testkit", "xtask", "loadgen"].contains(&name)
}

fn is_ours(name: &str) -> bool {
    allowed(name).is_some()
}

/// The crates of ours that `name` may import; none if `name` is unknown.
fn allowed(name: &str) -> Option<Vec<&'static str>> {
    if name == "rowlock" {
        return Some(LAYERS.into_iter().chain(SLICES).chain(["realtime", "console"]).collect());
    }
    if let Some(layer) = LAYERS.iter().position(|layer| *layer == name) {
        return Some(LAYERS.into_iter().take(layer).collect());
    }
    if SLICES.contains(&name) {
        let others = BETWEEN_SLICES.iter().filter(|(from, _)| *from == name).map(|(_, to)| *to);
        let notify = (name != "notify").then_some("notify");
        return Some(LAYERS.into_iter().chain(others).chain(notify).collect());
    }
    OUTSIDE.iter().find(|(outside, _)| *outside == name).map(|(_, may)| may.to_vec())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Product,
    Tests,
}

/// The names in all tables of dependencies. A line is enough: the manifests are ours and plain.
fn dependencies(manifest: &str) -> Vec<(Section, &str)> {
    let mut section = None;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let (table, name) = match header.split_once("dependencies.") {
                Some((before, name)) => (format!("{before}dependencies"), Some(name)),
                None => (header.to_owned(), None),
            };
            let tests = table.contains("dev-dependencies");
            let kind = if tests { Section::Tests } else { Section::Product };
            section = table.ends_with("dependencies").then_some(kind);
            found.extend(section.zip(name));
            // Below `[dependencies.name]` stand that one's settings, not names.
            section = section.filter(|_| name.is_none());
        } else if let Some(section) = section.filter(|_| !line.starts_with('#')) {
            let name = line.split(['.', '=', ' ']).next().filter(|_| line.contains('='));
            found.extend(name.map(|name| (section, name.trim_matches('"'))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_dependency_are_read() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\npg.workspace = true\n# no = 1\n\
                        bus = { path = \"../bus\" }\n[dependencies.edge]\nworkspace = true\n\
                        [dev-dependencies]\ntestkit.workspace = true\n[target.'cfg(unix)'.dependencies]\n\
                        libc = \"0.2\"\n[lints]\nworkspace = true\n";
        let product = |name| (Section::Product, name);
        let expected = [
            product("pg"),
            product("bus"),
            product("edge"),
            (Section::Tests, "testkit"),
            product("libc"),
        ];
        assert_eq!(dependencies(manifest), expected);
    }

    fn breaches(name: &str, dependency: &str) -> usize {
        check(name, &format!("[dependencies]\n{dependency}.workspace = true\n")).len()
    }

    #[test]
    fn a_layer_that_imports_upwards_is_found() {
        assert_eq!(breaches("kernel", "pg"), 1);
        assert_eq!(breaches("pg", "edge"), 1);
        assert_eq!(breaches("edge", "booking"), 1);
        assert_eq!(breaches("edge", "kernel"), 0);
    }

    #[test]
    fn a_slice_imports_only_the_slices_of_the_plan() {
        assert_eq!(breaches("tickets", "booking"), 1);
        assert_eq!(breaches("booking", "identity"), 1);
        assert_eq!(breaches("booking", "tickets"), 0);
        assert_eq!(breaches("floor", "notify"), 0);
        assert_eq!(breaches("realtime", "booking"), 1);
    }

    #[test]
    fn tools_stay_out_of_the_product() {
        assert_eq!(breaches("rowlock", "testkit"), 1);
        assert_eq!(breaches("booking", "testkit"), 1);
        assert_eq!(check("booking", "[dev-dependencies]\ntestkit.workspace = true\n").len(), 0);
        assert_eq!(breaches("loadgen", "kernel"), 1);
        assert_eq!(breaches("testkit", "booking"), 1);
    }

    #[test]
    fn each_server_has_one_door() {
        assert_eq!(breaches("booking", "redis"), 1);
        assert_eq!(breaches("rowlock", "deadpool-postgres"), 1);
        assert_eq!(breaches("edge", "tokio-postgres"), 1);
        assert_eq!(breaches("kernel", "actix-web"), 1);
        assert_eq!(breaches("bus", "redis"), 0);
    }

    #[test]
    fn a_crate_outside_the_plan_is_found() {
        assert_eq!(check("extras", "").len(), 1);
    }
}
