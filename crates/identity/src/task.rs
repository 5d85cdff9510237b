//! Writes whose result is not the answer itself: signing in, keys, demo accounts.

use edge::App;
use kernel::scope::Scope;
use pg::{Db, DbError, Outcome, Reply, Tx, WriteTask};

use crate::IdentityError;

/// The result of a rule, which no key keeps.
struct Quiet<T>(T);

impl<T> Reply for Quiet<T> {
    fn status(&self) -> u16 {
        200
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// Runs `op` in one transaction and gives what it returns.
pub(crate) async fn write<T, F>(
    db: &Db,
    name: &'static str,
    scope: Scope,
    op: F,
) -> Result<T, IdentityError>
where
    F: AsyncFn(&mut Tx) -> Result<T, IdentityError>,
{
    let task = WriteTask::job(name, scope);
    match db.write(&task, async |tx| op(tx).await.map(Quiet)).await? {
        Outcome::Done { value, .. } => Ok(value.0),
        Outcome::Replayed(_) => Err(DbError::Replay.into()),
    }
}

/// The same, and publishes the events of `op`.
pub(crate) async fn publish<T, F>(
    app: &App,
    name: &'static str,
    scope: Scope,
    op: F,
) -> Result<T, IdentityError>
where
    F: AsyncFn(&mut Tx) -> Result<T, IdentityError>,
{
    let task = WriteTask::job(name, scope);
    match app.db().write(&task, async |tx| op(tx).await.map(Quiet)).await? {
        Outcome::Done { value, batch, .. } => {
            if let Some(batch) = batch {
                app.bus().publish(batch);
            }
            Ok(value.0)
        }
        Outcome::Replayed(_) => Err(DbError::Replay.into()),
    }
}

/// Runs `work` to its end, even when the client that asked for it goes away.
pub(crate) async fn to_the_end<T: 'static>(
    work: impl Future<Output = Result<T, IdentityError>> + 'static,
) -> Result<T, IdentityError> {
    actix_web::rt::spawn(work).await.unwrap_or(Err(IdentityError::Crypto))
}
