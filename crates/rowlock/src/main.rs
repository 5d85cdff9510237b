#![doc = include_str!("../README.md")]

mod admin;
mod anchor;
mod audit;
mod config;
mod demo;
mod demo_spa;
mod doctor;
mod document;
mod drain;
mod healthcheck;
mod invariants;
mod jobs;
mod keys;
mod legacy;
mod operations;
mod ops;
mod person;
mod routes;
mod serve;
mod snapshot;
mod telemetry;
mod till;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The live back end of a venue.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a worker.
    Serve(Box<config::Serve>),
    /// Apply what is missing of the migrations.
    Migrate(config::Database),
    /// Make a demo venue with accounts and a show, and write what was made to a file.
    Demo(config::Demo),
    /// Write the API's documents.
    Openapi(config::Openapi),
    /// Say what of this set-up is wrong for production. Takes what `serve` takes.
    Doctor(Box<config::Serve>),
    /// Make owners and new passwords, list venues.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Verify the audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Change the keys that sign access tokens.
    #[command(subcommand)]
    Keys(config::KeysCommand),
    /// Erase a person.
    #[command(subcommand)]
    Person(person::PersonCommand),
    /// Ask the worker of this machine whether it is ready.
    Healthcheck(config::Healthcheck),
}

/// What the command line refuses: a setting that is wrong or missing (sysexits' `EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = actix_web::rt::System::new().block_on(async {
        match cli.command {
            Command::Serve(serve) => serve::run(*serve).await,
            Command::Migrate(database) => migrate(database).await,
            Command::Demo(demo) => demo::run(demo).await,
            Command::Openapi(openapi) => document::write(&openapi),
            Command::Doctor(serve) => doctor::run(*serve).await,
            Command::Admin(command) => admin::run(command).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Keys(command) => keys::run(command).await,
            Command::Person(command) => person::run(command).await,
            Command::Healthcheck(check) => healthcheck::run(&check).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rowlock: {error:#}");
            let wrong_setting = error.downcast_ref::<config::WrongSetting>().is_some();
            if wrong_setting { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

async fn migrate(database: config::Database) -> anyhow::Result<()> {
    let applied = pg::migrate::migrate(&database.config()?).await.map_err(anyhow::Error::msg)?;
    for name in &applied {
        println!("applied {name}");
    }
    println!("{} migrations applied, the schema is up to date", applied.len());
    Ok(())
}
