//! Where SQL may stand, whose tables it may name, and who may begin and commit.

use super::rust::Parsed;
use super::{SLICES, Source};

/// The schema of the event log, the idempotency keys and the audit.
const SHARED_SCHEMA: &str = "log";

/// The door itself, and tools that work on whole databases.
const FREE: [&str; 3] = ["pg", "testkit", "devkit"];

pub(super) fn check(source: &Source, parsed: &Parsed) -> Vec<String> {
    let name = source.crate_name();
    // Tests may look into the tables: they judge the product, they are not part of it.
    if FREE.contains(&name) || name == "xtask" || source.path.contains("/tests/") {
        return Vec::new();
    }
    let tests_begin = parsed.tests_begin();
    let product = parsed.strings.iter().filter(|(line, _)| *line < tests_begin);
    let statements = product.map(|(line, text)| (line, plain(text)));
    let mut findings = Vec::new();
    for (line, sql) in statements {
        let place = format!("{}:{line}", source.path);
        if steers_transaction(&sql) {
            findings.push(format!("{place}: only pg begins and commits: `{}`", start(&sql)));
        } else if is_sql(&sql) && !is_store(source) {
            findings
                .push(format!("{place}: SQL belongs into a slice's store.rs: `{}`", start(&sql)));
        } else if is_sql(&sql) && SLICES.contains(&name) {
            let foreign = foreign_schema(&sql, name);
            findings.extend(foreign.map(|schema| {
                format!("{place}: names the schema `{schema}`, {name}'s own is `{name}`")
            }));
        }
    }
    findings
}

/// `store.rs` or a file below `store/`, in a slice, or in the binary for its demo data.
fn is_store(source: &Source) -> bool {
    let owner = SLICES.contains(&source.crate_name()) || source.crate_name() == "rowlock";
    owner && (source.path.ends_with("/store.rs") || source.path.contains("/store/"))
}

/// Lower case, without SQL comments, one space between words.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").replace("\\n", " ").to_lowercase()
}

fn start(sql: &str) -> String {
    sql.chars().take(40).collect()
}

fn is_sql(sql: &str) -> bool {
    let has = |word: &str| format!(" {sql} ").contains(word);
    let starts = |word: &str| sql.starts_with(word);
    let selects = starts("select ") && (has(" from ") || has("(") || has("$1") || has("::"));
    let changes = starts("insert into ")
        || (starts("update ") && has(" set "))
        || starts("delete from ")
        || starts("truncate table ")
        || starts("lock table ")
        || starts("merge into ");
    let nested = starts("with ") && has(" as ") && has("(") && (has("select ") || has("update "));
    let things =
        ["table ", "index ", "schema ", "database ", "function ", "type ", "role ", "policy "];
    let verbs = ["create ", "alter ", "drop ", "create unique ", "create or replace "];
    let defines =
        verbs.iter().any(|verb| things.iter().any(|thing| starts(&format!("{verb}{thing}"))));
    let sets = starts("set local ") || starts("set session ");
    selects || changes || nested || defines || sets
}

/// One of the statements in the string begins or ends a transaction.
fn steers_transaction(sql: &str) -> bool {
    let exact = ["begin", "commit", "rollback", "abort", "start transaction", "begin transaction"];
    let long =
        ["begin isolation", "begin read", "start transaction ", "rollback to ", "savepoint "];
    // One word alone may be a label; with a semicolon, or among statements, it is not.
    let mut parts = sql.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts.any(|part| exact.contains(&part) || long.iter().any(|word| part.starts_with(word)))
}

/// A `schema.` in front of a table that belongs to another slice, or to pg.
fn foreign_schema(sql: &str, own: &str) -> Option<&'static str> {
    let schemas = SLICES.into_iter().chain([SHARED_SCHEMA]).filter(|schema| *schema != own);
    let mut foreign = schemas.filter(|schema| names_schema(sql, schema));
    foreign.next()
}

fn names_schema(sql: &str, schema: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    sql.match_indices(&format!("{schema}.")).any(|(at, found)| {
        let before = sql.get(..at).unwrap_or_default().chars().next_back();
        let after = sql.get(at + found.len()..).unwrap_or_default().chars().next();
        !before.is_some_and(|c| is_word(c) || c == '.') && after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::rust;
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        check(&source, &rust::parse(&source.text))
    }

    const READ: &str = "const A: &str = r#\"\n  select id from booking.hold where id = $1\n\"#;";

    #[test]
    fn sql_outside_a_store_is_found() {
        assert_eq!(findings("crates/booking/src/hold_seats.rs", READ).len(), 1);
        assert_eq!(findings("crates/realtime/src/store.rs", READ).len(), 1);
        assert_eq!(findings("crates/booking/src/store.rs", READ).len(), 0);
        assert_eq!(findings("crates/booking/src/store/holds.rs", READ).len(), 0);
        assert_eq!(findings("crates/pg/src/write.rs", READ).len(), 0);
        for sql in ["insert into a values (1)", "UPDATE a SET b = 1", "create unique index c on d"]
        {
            let text = format!("fn a() {{ b(\"{sql}\") }}");
            assert_eq!(findings("crates/edge/src/lib.rs", &text).len(), 1, "{sql}");
        }
    }

    #[test]
    fn words_for_people_are_not_sql() {
        for words in ["select a seat", "update failed", "delete the hold", "with four seats"] {
            let text = format!("fn a() {{ b(\"{words}\") }}");
            assert_eq!(findings("crates/edge/src/lib.rs", &text).len(), 0, "{words}");
        }
        assert_eq!(findings("crates/edge/src/lib.rs", "// \"delete from a\"").len(), 0);
    }

    #[test]
    fn another_slices_schema_is_found() {
        assert_eq!(findings("crates/tickets/src/store.rs", READ).len(), 1);
        let log = READ.replace("booking.hold", "log.event");
        assert_eq!(findings("crates/booking/src/store.rs", &log).len(), 1);
        let own = READ.replace("booking.hold", "booking.hold h join booking.seat");
        assert_eq!(findings("crates/booking/src/store.rs", &own).len(), 0);
    }

    #[test]
    fn a_transaction_begun_outside_pg_is_found_even_in_a_store() {
        for sql in ["begin", "commit;", "begin isolation level serializable", "select 1; rollback"]
        {
            let text = format!("fn a() {{ b(\"{sql}\") }}");
            assert_eq!(findings("crates/booking/src/store.rs", &text).len(), 1, "{sql}");
            assert_eq!(findings("crates/pg/src/write.rs", &text).len(), 0, "{sql}");
        }
    }

    #[test]
    fn tests_may_look_into_the_tables() {
        let text = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{READ}\n}}");
        assert_eq!(findings("crates/booking/src/hold_seats.rs", &text).len(), 0);
        assert_eq!(findings("crates/rowlock/tests/it/booking.rs", READ).len(), 0);
    }
}
