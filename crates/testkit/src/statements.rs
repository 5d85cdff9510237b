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
    // With the parameters' values a plan could leave out what they rule out.
    sql.run("set plan_cache_mode = force_generic_plan").await?;
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
    sql.run("reset role; deallocate all").await?;
    let parameters = match sql.prepare(statement).await {
        Ok(prepared) => vec!["null"; prepared.params().len()].join(", "),
        Err(error) => return Ok(Err(words(&error))),
    };
    let arguments = if parameters.is_empty() { parameters } else { format!("({parameters})") };
    if let Err(error) = sql.simple_query(&format!("prepare checked as {statement}")).await {
        // What is no query can be prepared by the protocol only, and has nothing to plan.
        let no_query = error.code() == Some(&SqlState::SYNTAX_ERROR);
        return Ok(if no_query { Ok(()) } else { Err(words(&error)) });
    }
    let mut refused = Vec::new();
    for role in ROLES {
        sql.run(&format!("set role {role}")).await?;
        match sql.simple_query(&format!("explain execute checked{arguments}")).await {
            Ok(_) => return Ok(Ok(())),
            Err(error) => refused.push(format!("as {role}: {}", words(&error))),
        }
    }
    Ok(Err(refused.join("; ")))
}

fn words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned())
}
