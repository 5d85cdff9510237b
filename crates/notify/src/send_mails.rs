//! Send what is due: claim, send, say what came of it.

use jiff::{SignedDuration, Timestamp};
use kernel::scope::Scope;
use pg::{Db, DbError, Outcome, Reply, Tx, WriteTask};

use crate::error::{JobError, MailError};
use crate::forget_mails::Silent;
use crate::mailer::{Mailer, Way};
use crate::pause::next_try;
use crate::store::{self, Due};

/// Mails that one round claims.
const CLAIMED_MAX: i64 = 10;
/// A claimed mail belongs to its worker for this long: longer than all of a round's may take.
const LEASE: SignedDuration = SignedDuration::from_secs(300);

/// What waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many mails; counted up to a thousand.
    pub mails: i64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
}

/// What waits to be sent, in all venues.
///
/// # Errors
/// The database's failures.
pub async fn waiting(db: &Db) -> Result<Waiting, DbError> {
    let counted = db.read(Scope::job(), async |q| store::count_waiting(q).await);
    counted.await.map(|(mails, oldest)| Waiting { mails, oldest })
}

/// One round: a few mails that are due. Any worker may run it at any time.
///
/// # Errors
/// The database's failures. A mail that was not taken is no error: it is tried again later.
pub async fn send_mails(db: &Db, mailer: &Mailer) -> Result<(), DbError> {
    if mailer.way() == Way::Nobody {
        return Ok(());
    }
    let claimed = write(db, "claim_mails", async |tx| {
        let due = store::lock_due_mails(tx, CLAIMED_MAX).await?;
        let until = tx.now() + LEASE;
        for mail in &due {
            store::claim_mail(tx, mail, until);
        }
        Ok(Claimed(due))
    });
    for mail in claimed.await?.0 {
        let sent = mailer.send(&mail).await;
        tell(&mail, &sent);
        write(db, "settle_mail", async |tx| {
            // The time of the second transaction: sending may have taken long.
            settle(tx, &mail, &sent);
            Ok(Silent)
        })
        .await?;
    }
    Ok(())
}

struct Claimed(Vec<Due>);

impl Reply for Claimed {
    fn status(&self) -> u16 {
        200
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

async fn write<T, F>(db: &Db, name: &'static str, op: F) -> Result<T, DbError>
where
    T: Reply,
    F: AsyncFn(&mut Tx) -> Result<T, JobError>,
{
    let task = WriteTask::job(name, Scope::job());
    match db.write(&task, op).await.map_err(|error| error.0)? {
        Outcome::Done { value, .. } => Ok(value),
        Outcome::Replayed(_) => Err(DbError::Replay),
    }
}

fn settle(tx: &mut Tx, mail: &Due, sent: &Result<(), MailError>) {
    match sent {
        Ok(()) => store::settle_mail(tx, mail, "sent", None),
        Err(MailError::Refused(reason)) => {
            store::settle_mail(tx, mail, "failed", Some(reason.clone()));
        }
        Err(error) => match next_try(mail.tries, tx.now()) {
            Some(at) => store::put_mail_off(tx, mail, at, error.to_string()),
            None => store::settle_mail(tx, mail, "failed", Some(error.to_string())),
        },
    }
}

fn tell(mail: &Due, sent: &Result<(), MailError>) {
    let outcome = match sent {
        Ok(()) => "sent",
        Err(MailError::Refused(_)) => "refused",
        Err(_) => "later",
    };
    metrics::counter!("rowlock_mails_total", "kind" => mail.kind.clone(), "outcome" => outcome)
        .increment(1);
    if let Err(error) = sent {
        tracing::warn!(mail = %mail.id, kind = mail.kind, tries = mail.tries, %error, "mail failed");
    }
}
