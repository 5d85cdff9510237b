//! The document of the API: it is the server's, and generators can read it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, workspace_root};

use crate::operations::{Operation, operations};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What realtime's routes are relative to.
const BASE: &str = "/api/v1";

/// `(method, path)` of every `#[get("…")]` and its like below `folder`.
fn routes(folder: &Path, found: &mut BTreeSet<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            routes(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(routes_of(&fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

fn routes_of(source: &str) -> impl Iterator<Item = (String, String)> {
    source.lines().filter_map(|line| {
        let (method, rest) = line.trim().strip_prefix("#[")?.split_once("(\"")?;
        let (path, _) = rest.split_once('"')?;
        METHODS.contains(&method).then(|| (method.to_owned(), path.to_owned()))
    })
}

fn all_routes() -> Result<BTreeSet<(String, String)>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(workspace_root().join("crates"))? {
        let entry = entry?;
        let mut of_crate = BTreeSet::new();
        routes(&entry.path().join("src"), &mut of_crate)?;
        let relative = entry.file_name() == "realtime";
        found.extend(of_crate.into_iter().filter_map(|(method, path)| {
            let path =
                if relative && !path.starts_with(BASE) { format!("{BASE}{path}") } else { path };
            path.starts_with("/api/").then_some((method, path))
        }));
    }
    Ok(found)
}

#[tokio::test]
async fn routes_and_document_agree() -> Result<()> {
    let bed = Bed::start(1).await?;
    let all = operations(&bed).await?;
    // Old paths are translated before routing: `legacy.rs` has them.
    let documented: BTreeSet<_> = all
        .iter()
        .filter(|operation| operation.json.get("deprecated").is_none())
        .map(|operation| (operation.method.clone(), operation.path.clone()))
        .filter(|(_, path)| path.starts_with("/api/"))
        .collect();
    let routed = all_routes()?;
    let undocumented: Vec<_> = routed.difference(&documented).collect();
    let unrouted: Vec<_> = documented.difference(&routed).collect();
    assert!(undocumented.is_empty(), "not in the document: {undocumented:?}");
    assert!(unrouted.is_empty(), "not in the code: {unrouted:?}");
    for operation in &all {
        let answer = answer(&bed, operation).await?;
        let absent = [(404, "no_such_path"), (405, "method_not_allowed")];
        let given = (answer.status, answer.code());
        assert!(!absent.contains(&given), "{} {}: {given:?}", operation.method, operation.path);
    }
    Ok(())
}

async fn answer(bed: &Bed, operation: &Operation) -> Result<testkit::Answered> {
    let parts = operation.path.split('/').map(|part| {
        if part.starts_with('{') { "0198c0de-0000-7000-8000-000000000001" } else { part }
    });
    let method = operation.method.to_uppercase().parse()?;
    bed.anyone().ask(method, parts.collect::<Vec<_>>().join("/")).await
}

#[tokio::test]
async fn a_path_that_is_not_there_says_so() -> Result<()> {
    let bed = Bed::start(1).await?;
    let anyone = bed.anyone();
    anyone.get("/api/v1/nothing").await?.refused(404, "no_such_path")?;
    anyone.get("/api/v1/venues/x/shows?limit=many").await?.refused(404, "no_such_path")?;
    let house = bed.house().await?;
    anyone.get(house.path("/shows?limit=many")).await?.refused(400, "bad_query")?;
    Ok(())
}

fn check_operation(operation: &Operation, wrong: &mut Vec<String>) {
    let Operation { name, json, path, .. } = operation;
    let mut say = |what: &str| wrong.push(format!("{path} {name}: {what}"));
    let lower_camel = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric());
    if !lower_camel {
        say("its operationId is not in lowerCamel");
    }
    if json.get("tags").and_then(Value::as_array).is_none_or(|tags| tags.len() != 1) {
        say("it has not exactly one tag");
    }
    if json.get("summary").and_then(Value::as_str).is_none_or(str::is_empty) {
        say("it has no summary");
    }
    let given = json.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let given: Vec<_> = given.filter(|it| it["in"] == "path").map(|it| &it["name"]).collect();
    for part in
        path.split(['{', '}']).skip(1).step_by(2).filter(|part| !given.contains(&&json!(part)))
    {
        say(&format!("its path's {part} is no parameter"));
    }
    let answers = json.get("responses").and_then(Value::as_object);
    let statuses: Vec<_> = answers.into_iter().flat_map(|answers| answers.keys()).collect();
    if !statuses.iter().any(|status| status.starts_with('4')) {
        say("it documents no 4xx");
    }
    if !statuses.iter().any(|status| status.starts_with(['1', '2', '3'])) {
        say("it documents no success");
    }
}

/// Apple's generator knows neither a `null` among alternatives nor a list of types.
fn check_schema(json: &Value, at: &str, wrong: &mut Vec<String>) {
    for word in ["oneOf", "anyOf"] {
        for branch in json.get(word).and_then(Value::as_array).into_iter().flatten() {
            if branch.get("type").is_some_and(|kind| kind == "null") {
                wrong.push(format!("{at}: null among {word}"));
            }
        }
    }
    if json.get("type").is_some_and(Value::is_array)
        && !at.contains("example")
        && !at.contains("/parameters/")
    {
        wrong.push(format!("{at}: a list of types"));
    }
    match json {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, json)| check_schema(json, &format!("{at}/{name}"), wrong));
        }
        Value::Array(items) => {
            items
                .iter()
                .zip(0..)
                .for_each(|(json, n)| check_schema(json, &format!("{at}/{n}"), wrong));
        }
        _ => {}
    }
}

fn check_references(json: &Value, document: &Value, wrong: &mut BTreeSet<String>) {
    if let Some(reference) = json.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|at| document.pointer(at));
        if target.is_none() {
            wrong.insert(format!("{reference} leads nowhere"));
        }
    }
    match json {
        Value::Object(fields) => {
            fields.values().for_each(|json| check_references(json, document, wrong));
        }
        Value::Array(items) => {
            for json in items {
                check_references(json, document, wrong);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn generators_can_read_the_document() -> Result<()> {
    let bed = Bed::start(1).await?;
    let document = bed.anyone().get("/openapi.json").await?.expect(200)?;
    assert!(document["openapi"].as_str().unwrap_or_default().starts_with("3.1"));
    let all = operations(&bed).await?;
    let mut wrong = Vec::new();
    for operation in &all {
        check_operation(operation, &mut wrong);
    }
    let mut names = BTreeSet::new();
    wrong.extend(
        all.iter()
            .filter(|operation| !names.insert(&operation.name))
            .map(|operation| format!("{} stands twice", operation.name)),
    );
    check_schema(&document, "", &mut wrong);
    let mut lost = BTreeSet::new();
    check_references(&document, &document, &mut lost);
    wrong.extend(lost);
    assert!(wrong.is_empty(), "{} mistakes:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn the_committed_documents_are_the_ones_that_are_served() -> Result<()> {
    let bed = Bed::start(1).await?;
    for (path, name) in [("/openapi.json", "rowlock.json"), ("/events.json", "events.json")] {
        let served = bed.anyone().get(path).await?.expect(200)?;
        let file = workspace_root().join("openapi").join(name);
        let committed = fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let committed: Value = serde_json::from_str(&committed)?;
        assert!(served == committed, "{name} is old: `cargo xtask openapi` writes it anew");
    }
    Ok(())
}

#[tokio::test]
async fn the_docs_load_nothing_from_another_host() -> Result<()> {
    let bed = Bed::start(1).await?;
    let page = bed.anyone().get("/docs/").await?;
    assert_eq!(page.status, 200);
    for attribute in ["src=\"", "href=\""] {
        for rest in page.text.split(attribute).skip(1) {
            let address = rest.split('"').next().unwrap_or_default();
            assert!(!address.contains("//"), "{address} is on another host");
        }
    }
    Ok(())
}
