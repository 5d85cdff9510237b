//! What can go wrong with a mail, and with the settings that say how mails leave.

use kernel::problem::Problem;
use pg::DbError;
use pg::write::Refusal;

/// Why a mail was not taken. Says nothing of whom it is for: it is kept and logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It will never be taken.
    #[error("refused for good: {0}")]
    Refused(String),
    /// It may be taken later.
    #[error("not taken: {0}")]
    Later(String),
    /// Nobody sends mails here.
    #[error("nobody sends mails here")]
    NoWay,
}

/// The settings make no mailer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAMailer(pub String);

/// The jobs' error: nothing but the database fails them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct JobError(#[from] pub(crate) DbError);

impl Refusal for JobError {
    fn problem(&self) -> Problem {
        self.0.problem()
    }
}
