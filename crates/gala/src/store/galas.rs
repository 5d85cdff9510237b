//! How shows seat their guests.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Reader, Row, Tx, params};

use crate::model::Gala;

pg::statements! {
    FIND_GALA = "select show_id, open, names_shown, opens_at, closes_at, version
        from gala.show where venue_id = $1 and show_id = $2";
    // Two managers never overwrite each other unseen.
    LOCK_GALA = "select show_id, open, names_shown, opens_at, closes_at, version
        from gala.show where venue_id = $1 and show_id = $2 for update";
    PUT_GALA = "insert into gala.show
            (venue_id, show_id, open, names_shown, opens_at, closes_at, version)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (venue_id, show_id) do update
        set open = $3, names_shown = $4, opens_at = $5, closes_at = $6, version = $7";
}

pub(crate) fn gala(row: &Row) -> Result<Gala, DbError> {
    Ok(Gala {
        show_id: row.col("show_id")?,
        open: row.col("open")?,
        names_shown: row.col("names_shown")?,
        opens_at: row.col("opens_at")?,
        closes_at: row.col("closes_at")?,
        version: row.col("version")?,
    })
}

pub(crate) async fn find_gala(q: &mut Reader, show: ShowId) -> Result<Option<Gala>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_GALA, &[&venue, &show]).await?.first().map(gala).transpose()
}

/// The settings, for a rule that changes nothing of them.
pub(crate) async fn look_at_gala(tx: &mut Tx, show: ShowId) -> Result<Option<Gala>, DbError> {
    let venue = tx.venue()?;
    tx.query(FIND_GALA, &[&venue, &show]).await?.first().map(gala).transpose()
}

pub(crate) async fn lock_gala(tx: &mut Tx, show: ShowId) -> Result<Option<Gala>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_GALA, &[&venue, &show]).await?.first().map(gala).transpose()
}

pub(crate) fn put_gala(tx: &mut Tx, gala: &Gala) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        gala.show_id,
        gala.open,
        gala.names_shown,
        gala.opens_at,
        gala.closes_at,
        gala.version,
    ];
    tx.change(PUT_GALA, row);
    Ok(())
}
