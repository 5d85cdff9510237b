//! The promises, computed again from the rows: what tests and operators trust instead of us.

use kernel::ids::VenueId;
use kernel::scope::Scope;
use postgres_types::ToSql;

use crate::{Columns, Db, DbError};

/// Violations of one check that are listed.
pub const VIOLATIONS_MAX: i64 = 50;
/// A check reads whole tables: it may take longer than a request's statement.
const PATIENCE: &str = "set local statement_timeout = '60s'";

/// A promise and the statement that finds where it is broken.
///
/// The statement takes `$1` venue (null: all), `$2` how many rows at most, `$3` the clock's offset in
/// microseconds, and gives `venue_id uuid`, `id text` (what breaks it) and `detail text` (how). It is
/// a statement of a slice's store, over that slice's schema alone.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// `slice.word`.
    pub name: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// Finds what breaks it.
    pub sql: &'static str,
}

/// Where a promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Whose.
    pub venue: VenueId,
    /// What breaks it.
    pub id: String,
    /// How.
    pub detail: String,
}

crate::statements! {
    // A day's partition is dropped as a whole, so what is left has no holes either.
    EVENTS_DENSE = "select h.venue_id, h.venue_id::text as id,
            format('%s events from %s to %s, and the head says %s', e.events, e.first, e.last, h.seq)
                as detail
        from log.venue_head h
        cross join lateral (
            select count(*) as events, min(v.seq) as first, max(v.seq) as last
            from log.venue_event v where v.venue_id = h.venue_id) e
        where ($1::uuid is null or h.venue_id = $1) and $3::bigint is not null
          and e.events > 0 and (e.last <> h.seq or e.events <> e.last - e.first + 1)
        order by h.venue_id limit $2";
}

/// The promises that no slice owns.
pub const CHECKS: &[Check] = &[Check {
    name: "log.events_dense",
    promise: "The events of a venue are numbered without gaps up to its head",
    sql: EVENTS_DENSE,
}];

impl Db {
    /// Runs all `checks` on one snapshot, so that nothing moves between them. Gives what breaks each.
    ///
    /// # Errors
    /// When PostgreSQL is away, or a check takes longer than its patience.
    pub async fn violations(
        &self,
        scope: Scope,
        venue: Option<VenueId>,
        checks: &[Check],
    ) -> Result<Vec<(Check, Vec<Violation>)>, DbError> {
        let offset = self.clock.offset_micros();
        self.read(scope, async |q| {
            q.query(PATIENCE, &[]).await?;
            let mut found = Vec::with_capacity(checks.len());
            for check in checks {
                let params: [&(dyn ToSql + Sync); 3] = [&venue, &VIOLATIONS_MAX, &offset];
                let rows = q.query(check.sql, &params).await?;
                let broken = rows.iter().map(|row| {
                    let venue = row.col("venue_id")?;
                    Ok(Violation { venue, id: row.col("id")?, detail: row.col("detail")? })
                });
                found.push((*check, broken.collect::<Result<_, DbError>>()?));
            }
            Ok(found)
        })
        .await
    }
}
