//! The job that forgets what became of mails long ago.

use kernel::scope::Scope;
use pg::{Db, DbError, Reply, WriteTask};

use crate::error::JobError;
use crate::store;

/// What a job answers: nothing.
pub(crate) struct Silent;

impl Reply for Silent {
    fn status(&self) -> u16 {
        204
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// Forgets mails that were settled a month ago. Once an hour is enough.
///
/// # Errors
/// The database's failures.
pub async fn forget_mails(db: &Db) -> Result<(), DbError> {
    let task = WriteTask::job("forget_mails", Scope::job());
    let done = db.write(&task, async |tx| {
        store::forget_mails(tx);
        Ok::<_, JobError>(Silent)
    });
    done.await.map(drop).map_err(|error| error.0)
}
