//! Decoding rows: a wrong column is an error that names itself, never a panic.

use postgres_types::FromSql;
use tokio_postgres::Row;

use crate::DbError;

/// Reads columns by name.
pub trait Columns {
    /// The column `name`.
    ///
    /// # Errors
    /// `DbError::Decode` when the column is absent, null where it may not be, or of another type.
    fn col<'a, T: FromSql<'a>>(&'a self, name: &'static str) -> Result<T, DbError>;
}

impl Columns for Row {
    fn col<'a, T: FromSql<'a>>(&'a self, name: &'static str) -> Result<T, DbError> {
        self.try_get(name).map_err(|source| DbError::Decode { column: name, source })
    }
}
