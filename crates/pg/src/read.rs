//! A read: one snapshot, read only. It cannot lock, change or emit.

use deadpool_postgres::Object;
use futures_util::FutureExt;
use kernel::scope::{Reach, Scope};
use postgres_types::ToSql;
use tokio_postgres::Row;

use crate::barrier::{DURABLE, FLUSH};
use crate::sql::Query;
use crate::tx::{SCOPE, prepare, prepare_all, send_all};
use crate::{Columns, Db, DbError};

/// Every statement of one read sees the same moment.
const BEGIN: &str = "begin isolation level repeatable read read only";

/// What a slice holds while it reads.
pub struct Reader {
    conn: Option<Object>,
    scope: Scope,
    begun: bool,
}

impl Db {
    /// Runs `op` on one read-only snapshot.
    ///
    /// # Errors
    /// The slice's error, or the database's failure as the slice wraps it.
    pub async fn read<T, E, F>(&self, scope: Scope, op: F) -> Result<T, E>
    where
        E: From<DbError>,
        F: AsyncFn(&mut Reader) -> Result<T, E>,
    {
        let conn = self.connection().await.map_err(E::from)?;
        let mut reader = Reader { conn: Some(conn), scope, begun: false };
        let result = op(&mut reader).await;
        reader.end().await;
        result
    }
}

impl Db {
    /// The rows of one statement, when they are on the disk: a commit can be seen before it is
    /// durable, and what is told of it must not vanish with a crash. It waits on the connection
    /// that has read: another could be one to the same database after the crash.
    ///
    /// # Errors
    /// As `read`.
    pub(crate) async fn read_durable(
        &self,
        scope: Scope,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        let mut reader = Reader { conn: Some(self.connection().await?), scope, begun: false };
        let found = reader.pipeline([Query::new(sql, params), Query::new(DURABLE, &[])]).await;
        reader.end().await;
        let [rows, durable] = found?;
        let durable = durable.first().is_some_and(|row| row.col("durable").unwrap_or(false));
        if !durable {
            let conn = reader.conn.as_ref().ok_or(DbError::Away)?;
            let flush = prepare(conn, FLUSH).await?;
            conn.query(&flush, &[]).await?;
        }
        Ok(rows)
    }
}

impl Reader {
    /// The venue of this read.
    ///
    /// # Errors
    /// `Forbidden` in a read that has none: a bug of the route.
    pub fn venue(&self) -> Result<kernel::ids::VenueId, DbError> {
        match self.scope.reach {
            Reach::Venue(venue) => Ok(venue),
            Reach::Person | Reach::Job => Err(DbError::Forbidden),
        }
    }

    /// Who reads.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Sends all `queries` in order in one packet and waits for all their rows.
    ///
    /// # Errors
    /// The first failure in the order of the statements.
    pub async fn pipeline<const N: usize>(
        &mut self,
        queries: [Query<'_>; N],
    ) -> Result<[Vec<Row>; N], DbError> {
        let venue = self.scope.venue_or_nil().to_string();
        let user = self.scope.user.map(|user| user.0.to_string()).unwrap_or_default();
        let scope_params: [&(dyn ToSql + Sync); 2] = [&venue, &user];
        let mut all = Vec::with_capacity(N + 3);
        if !self.begun {
            all.push(Query::new(BEGIN, &[]));
            if self.scope.reach == Reach::Job {
                all.push(Query::new("set local role rowlock_job", &[]));
            }
            all.push(Query::new(SCOPE, &scope_params));
        }
        let slice_at = all.len();
        all.extend_from_slice(&queries);
        let conn = self.conn.as_ref().ok_or(DbError::Away)?;
        let prepared = prepare_all(conn, &all).await?;
        self.begun = true;
        let mut rows = Vec::with_capacity(all.len());
        for answer in send_all(conn, &prepared, &all).await {
            rows.push(answer?);
        }
        rows.split_off(slice_at).try_into().map_err(|_| DbError::Away)
    }

    /// One statement, one round trip.
    ///
    /// # Errors
    /// As `pipeline`.
    pub async fn query(
        &mut self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        let [rows] = self.pipeline([Query::new(sql, params)]).await?;
        Ok(rows)
    }

    /// Ends the snapshot. The commit is sent but not waited for: whatever uses the connection
    /// next is behind it in the same stream, and a read has nothing to lose.
    async fn end(&mut self) {
        if !self.begun {
            return;
        }
        let Some(conn) = self.conn.as_ref() else { return };
        match prepare(conn, "commit").await {
            Ok(commit) => {
                let sent: Option<Result<_, _>> = conn.execute(&commit, &[]).now_or_never();
                self.begun = matches!(sent, Some(Err(_)));
            }
            Err(_) => self.begun = true,
        }
    }
}

impl Drop for Reader {
    /// A read that was not ended (a dropped future) takes its connection with it.
    fn drop(&mut self) {
        if self.begun
            && let Some(conn) = self.conn.take()
        {
            drop(Object::take(conn));
        }
    }
}
