//! Every statement of a store, prepared on the migrated schema.

use anyhow::{Result, ensure};
use tokio_postgres::error::SqlState;

use crate::{Database, Server, Sql};

/// The roles that workers take.
const ROLES: [&str; 2] = ["rowlock_app", "rowlock_job"];

/// Prepares each `(name, statement)` and lets one of the workers' roles plan it, which checks
/// columns, types and rights: tokio-postgres checks nothing before a statement runs.
///
/// # Errors
/// With the name and PostgreSQL's words of every statement that fails.
pub async fn prepare_all(statements: &[(&str, &str)]) -> Result<()> {
    ensure!(!statements.is_empty(), "there are no statements");
    let database = Database::clone_template(&Server::shared()?).await?;
    let sql = database.sql().await?;
    let mut failures = Vec::new();
    for (name, statement) in statements {
        if let Err(words) = prepare(&sql, statement).await? {
            failures.push(format!("{name}: {words}"));
        }
    }
    ensure!(failures.is_empty(), "{} statements fail:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// What PostgreSQL says of a statement; the outer error is the connection's.
async fn prepare(sql: &Sql, statement: &str) -> Result<Result<(), String>> {
    sql.run("reset role").await?;
    if let Err(error) = sql.prepare(statement).await {
        return Ok(Err(words(&error)));
    }
    let mut refused = String::new();
    for role in ROLES {
        sql.run(&format!("set role {role}")).await?;
        // A statement that is no query cannot be explained; it was prepared, and that is all.
        match sql.simple_query(&format!("explain (generic_plan) {statement}")).await {
            Ok(_) => return Ok(Ok(())),
            Err(error) if error.code() == Some(&SqlState::SYNTAX_ERROR) => return Ok(Ok(())),
            Err(error) => refused = format!("as {role}: {}", words(&error)),
        }
    }
    Ok(Err(refused))
}

fn words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned())
}
