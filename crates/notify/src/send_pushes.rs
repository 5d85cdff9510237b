//! Send the pushes that are due: claim, send, say what came of it. A push that is an hour old is
//! told to nobody any more.

use jiff::SignedDuration;
use kernel::scope::Scope;
use pg::{Db, DbError, Outcome, Reply, Tx, WriteTask};

use crate::error::{JobError, MailError};
use crate::forget_mails::Silent;
use crate::pause::next_try;
use crate::pusher::Pusher;
use crate::store::pushes::{self, Due};

/// Pushes that one round claims.
const CLAIMED_MAX: i64 = 20;
/// A claimed push belongs to its worker for this long: longer than all of a round's may take.
const LEASE: SignedDuration = SignedDuration::from_secs(150);

struct Claimed(Vec<Due>);

impl Reply for Claimed {
    fn status(&self) -> u16 {
        200
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// One round: a few pushes that are due. Any worker may run it at any time.
///
/// # Errors
/// The database's failures. A push that was not taken is no error: it is tried again later.
pub async fn send_pushes(db: &Db, pusher: &Pusher) -> Result<(), DbError> {
    if !pusher.is_there() {
        return Ok(());
    }
    let claimed = write(db, "claim_pushes", async |tx| {
        let due = pushes::lock_due_pushes(tx, CLAIMED_MAX).await?;
        let until = tx.now() + LEASE;
        for push in &due {
            pushes::claim_push(tx, push, until);
        }
        Ok(Claimed(due))
    });
    for push in claimed.await?.0 {
        let sent = pusher.send(&push, db.clock().now()).await;
        let outcome = if sent.is_ok() { "sent" } else { "not_taken" };
        metrics::counter!("rowlock_pushes_total", "outcome" => outcome).increment(1);
        write(db, "settle_push", async |tx| {
            settle(tx, &push, &sent);
            Ok(Silent)
        })
        .await?;
    }
    Ok(())
}

/// Forgets pushes that were settled, or are too old to be told. Once an hour is enough.
///
/// # Errors
/// The database's failures.
pub async fn forget_pushes(db: &Db) -> Result<(), DbError> {
    let forgotten = write(db, "forget_pushes", async |tx| {
        pushes::forget_pushes(tx);
        Ok(Silent)
    });
    forgotten.await.map(drop)
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

fn settle(tx: &mut Tx, push: &Due, sent: &Result<(), MailError>) {
    match sent {
        Ok(()) => pushes::settle_push(tx, push, "sent", None),
        Err(MailError::Refused(reason)) => {
            pushes::settle_push(tx, push, "failed", Some(reason.clone()));
        }
        Err(error) => match next_try(push.tries, tx.now()) {
            Some(at) => pushes::put_push_off(tx, push, at, error.to_string()),
            None => pushes::settle_push(tx, push, "failed", Some(error.to_string())),
        },
    }
}
