//! What can go wrong with PostgreSQL, sorted by what a caller can do about it.

use kernel::problem::Problem;
use tokio_postgres::error::SqlState;

/// Seconds after which a busy or absent database is worth another try.
const RETRY_AFTER_SECS: u32 = 1;
/// Seconds after which a full disk may have been cleared.
const STORAGE_RETRY_AFTER_SECS: u32 = 60;

/// A failure of the database or of the door to it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection became free in time, or a lock was not given in time.
    #[error("the database is busy")]
    Busy,
    /// PostgreSQL cannot be reached.
    #[error("the database cannot be reached")]
    Away,
    /// PostgreSQL has no space left.
    #[error("the database's disk is full")]
    StorageFull,
    /// A unique index, foreign key, check or exclusion constraint refused the change.
    #[error("the constraint {constraint} refused the change")]
    Constraint {
        /// Its name.
        constraint: String,
    },
    /// Serialization failure or deadlock: the whole transaction may run again.
    #[error("the transaction has to run again ({code})")]
    Again {
        /// SQLSTATE.
        code: String,
    },
    /// The connection died after COMMIT was sent and the outcome could not be found out.
    #[error("the outcome of the commit is unknown")]
    CommitUnknown,
    /// The key was used before for another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// The first request with this key is still running.
    #[error("a request with this idempotency key is still running")]
    InProgress,
    /// The key was used before for this request: its stored answer is to be given.
    #[error("the request was answered before")]
    Replay,
    /// The user's standing in the venue, read in this transaction, does not allow the write.
    #[error("the standing does not allow this")]
    Forbidden,
    /// The user does not exist any more or is deactivated.
    #[error("the user is gone")]
    UserGone,
    /// A column was not what the code expects.
    #[error("the column {column} cannot be read")]
    Decode {
        /// Its name.
        column: &'static str,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A value could not be written as JSON.
    #[error("a value cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// Any other refusal of PostgreSQL: a bug.
    #[error("the database refused a statement")]
    Refused(#[source] tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            // No answer from PostgreSQL: the connection is gone, or the client misused the driver.
            let driver = error.to_string();
            return if driver.contains("serializ") || driver.contains("deserializ") {
                Self::Refused(error)
            } else {
                Self::Away
            };
        };
        match db.code() {
            code if *code == SqlState::T_R_SERIALIZATION_FAILURE
                || *code == SqlState::T_R_DEADLOCK_DETECTED =>
            {
                Self::Again { code: code.code().to_owned() }
            }
            code if *code == SqlState::LOCK_NOT_AVAILABLE
                || *code == SqlState::QUERY_CANCELED
                || *code == SqlState::TOO_MANY_CONNECTIONS =>
            {
                Self::Busy
            }
            code if *code == SqlState::DISK_FULL || *code == SqlState::OUT_OF_MEMORY => {
                Self::StorageFull
            }
            // 08: connection. 57P: shut down, crash, not ready. 25P03: idle too long.
            code if code.code().starts_with("08")
                || code.code().starts_with("57P")
                || code.code() == "25P03" =>
            {
                Self::Away
            }
            code if code.code().starts_with("23") => {
                Self::Constraint { constraint: db.constraint().unwrap_or_default().to_owned() }
            }
            _ => Self::Refused(error),
        }
    }
}

impl DbError {
    /// The name of the constraint that refused the change.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { constraint } => Some(constraint),
            _ => None,
        }
    }

    /// The problem that the API answers where the slice has no better one.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Busy | Self::Again { .. } | Self::Away | Self::StorageFull => self.try_later(),
            Self::CommitUnknown => Problem::new(
                503,
                "commit_unknown",
                "The outcome is not known yet",
                "The connection to the database broke while it saved. Send the same request again \
                 with the same Idempotency-Key: it takes effect at most once.",
            )
            .retry_after(RETRY_AFTER_SECS),
            Self::KeyReused => Problem::new(
                422,
                "key_reused",
                "The Idempotency-Key belongs to another request",
                "This key was used before with another body or operation. Make a new key for a \
                 new request; keep the key only when you repeat the very same one.",
            ),
            Self::InProgress => Problem::new(
                409,
                "in_progress",
                "The first request with this key is still running",
                "Wait a moment and send the same request again with the same key to get its answer.",
            )
            .retry_after(RETRY_AFTER_SECS),
            Self::Forbidden => Problem::new(
                403,
                "forbidden",
                "You may not do this",
                "Your role in this venue does not include this. Ask a manager for the role.",
            ),
            Self::UserGone => Problem::new(
                401,
                "user_gone",
                "The account is not active",
                "The account of this token was removed or deactivated. Sign in again.",
            ),
            Self::Constraint { .. } => Problem::new(
                409,
                "conflict",
                "Somebody else was faster",
                "What you wanted to change was changed by somebody else at the same moment. Read \
                 it again and decide anew.",
            ),
            Self::Replay | Self::Decode { .. } | Self::Encode(_) | Self::Refused(_) => {
                Problem::new(
                    500,
                    "internal",
                    "The server made a mistake",
                    "Nothing was changed. The mistake is logged under this requestId.",
                )
            }
        }
    }

    fn try_later(&self) -> Problem {
        match self {
            Self::Away => Problem::new(
                503,
                "database_away",
                "The database cannot be reached",
                "Nothing was changed. Send the same request again with the same Idempotency-Key.",
            )
            .retry_after(RETRY_AFTER_SECS),
            Self::StorageFull => Problem::new(
                503,
                "storage_full",
                "The database has no space left",
                "Nothing was changed. Reading still works; the operator has to make space.",
            )
            .retry_after(STORAGE_RETRY_AFTER_SECS),
            _ => Problem::new(
                503,
                "busy",
                "The server is busy",
                "Many others want the same thing right now. Send the same request again with the \
                 same Idempotency-Key in a second.",
            )
            .retry_after(RETRY_AFTER_SECS),
        }
    }
}
