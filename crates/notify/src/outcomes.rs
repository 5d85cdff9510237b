//! What became of mails, for the slice that queued them.

use pg::{Columns, DbError, Reader};
use uuid::Uuid;

use crate::mail::MailId;
use crate::store;

/// Mails that one call asks for.
const OUTCOMES_MAX: usize = 500;

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The mail.
    pub mail: MailId,
    /// Why it was not taken, in a word and a number; absent where it was.
    pub failed: Option<String>,
}

/// Those of these mails that are settled. A job's question: `q` has to see all venues.
///
/// # Errors
/// The database's failures.
pub async fn outcomes(q: &mut Reader, mails: &[MailId]) -> Result<Vec<Outcome>, DbError> {
    let ids: Vec<Uuid> = mails.iter().take(OUTCOMES_MAX).map(|mail| mail.0).collect();
    let rows = store::list_outcomes(q, &ids).await?;
    rows.iter()
        .map(|row| {
            let state: &str = row.col("state")?;
            let reason: Option<String> = row.col("reason")?;
            let failed = (state != "sent").then(|| reason.unwrap_or_default());
            Ok(Outcome { mail: MailId(row.col("id")?), failed })
        })
        .collect()
}
