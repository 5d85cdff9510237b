//! What the people who run the server do by command, and the first user.

use anyhow::Context as _;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use identity::{OpenVenue, Password, Passwords, Person};
use kernel::clock::Clock;
use pg::Db;

use crate::config::{Database, Serve, WrongSetting};

/// Bytes of a generated password.
const PASSWORD_BYTES: usize = 15;

/// `rowlock admin`
#[derive(Clone, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make a venue and its owner; an account that is there keeps its password.
    CreateOwner {
        #[command(flatten)]
        database: Database,
        /// The address to sign in with.
        #[arg(long)]
        email: String,
        /// What people read.
        #[arg(long)]
        name: String,
        /// The venue's name.
        #[arg(long)]
        venue: String,
        /// The IANA time zone of the venue.
        #[arg(long, default_value = "Europe/Lisbon")]
        time_zone: String,
        /// What the venue sells in.
        #[arg(long, default_value = "EUR")]
        currency: String,
    },
    /// Give an account a new password, printed once; all its sessions end.
    ResetPassword {
        #[command(flatten)]
        database: Database,
        /// The address of the account.
        #[arg(long)]
        email: String,
    },
    /// List all venues.
    ListVenues {
        #[command(flatten)]
        database: Database,
    },
}

/// Runs it.
pub(crate) async fn run(command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::CreateOwner { database, email, name, venue, time_zone, currency } => {
            let db = open(&database)?;
            let currency = currency.parse().ok().context("a currency is like EUR")?;
            let password = fresh_password()?;
            let known = identity::find_person(&db, &email).await.is_ok();
            let person = Person { email, name, password: Password::from(password.clone()) };
            let venue = OpenVenue { name: venue, time_zone, currency };
            let (user, venue) =
                identity::create_owner(&db, &Passwords::default(), &person, &venue).await?;
            println!("venue {venue} belongs to {user} ({})", person.email);
            if !known {
                println!("password: {password}");
            }
        }
        AdminCommand::ResetPassword { database, email } => {
            let (db, password) = (open(&database)?, fresh_password()?);
            let given = Password::from(password.clone());
            identity::replace_password(&db, &Passwords::default(), &email, given).await?;
            println!("password: {password}");
        }
        AdminCommand::ListVenues { database } => {
            for (venue, name) in identity::list_all_venues(&open(&database)?).await? {
                println!("{venue}  {name}");
            }
        }
    }
    Ok(())
}

fn open(database: &Database) -> anyhow::Result<Db> {
    Ok(Db::new(&database.config()?, Clock::default()).map_err(WrongSetting)?)
}

fn fresh_password() -> anyhow::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    rand::fill(&mut bytes).ok().context("no random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Shows whoever starts the server a token that makes the first owner, while there is no user. Of
/// several workers one shows it. It goes to the terminal and not through the log's format: it is the
/// one secret that has to be read there.
async fn offer_setup(db: &Db) -> anyhow::Result<()> {
    if !identity::is_empty(db).await.context("the users cannot be counted")? {
        return Ok(());
    }
    let offered = identity::offer_setup(db).await.context("no setup token can be made")?;
    if let Some(token) = offered {
        eprintln!(
            "\n  There is no user yet. Within an hour, POST /api/v1/auth/setup with this token \
             makes the first owner:\n\n      {}\n",
            token.reveal()
        );
    }
    Ok(())
}

/// Makes the first user of `ADMIN_EMAIL` and `ADMIN_PASSWORD`, while there is none. Once there is
/// one, both count for nothing.
pub(crate) async fn first_user(db: &Db, serve: &Serve) -> anyhow::Result<()> {
    let (Some(email), Some(password)) = (&serve.admin_email, &serve.admin_password) else {
        return offer_setup(db).await;
    };
    if !identity::is_empty(db).await.context("the users cannot be counted")? {
        return Ok(());
    }
    let (name, password) = ("Administrator".to_owned(), Password::from(password.clone()));
    let person = Person { email: email.clone(), name, password };
    match identity::ensure_user(db, &Passwords::default(), &person).await {
        Ok(user) => {
            tracing::info!(%user, "the first user was made");
            Ok(())
        }
        Err(identity::IdentityError::WeakPassword(errors)) => {
            let why = errors.first().map_or_else(String::new, |error| error.detail.clone());
            Err(WrongSetting(format!("ADMIN_EMAIL or ADMIN_PASSWORD cannot be used: {why}")).into())
        }
        Err(error) => Err(error).context("the first user cannot be made"),
    }
}
