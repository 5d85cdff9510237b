//! The doors of a show and its keys.

use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::rules::Doors;

pg::statements! {
    FIND_DOORS = "select show_id, name, opens_at, closes_at, seals_names, lease_secs, rules, version
        from tickets.show where venue_id = $1 and show_id = $2";
    // Whoever changes the doors or their keys takes the row; scans never do.
    LOCK_DOORS = "select show_id, name, opens_at, closes_at, seals_names, lease_secs, rules, version
        from tickets.show where venue_id = $1 and show_id = $2 for no key update";
    // Two who open the doors at once: the second changes what the first has made.
    SAVE_DOORS = "insert into tickets.show
            (venue_id, show_id, name, opens_at, closes_at, seals_names, lease_secs)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (venue_id, show_id) do update
            set name = excluded.name, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
                seals_names = excluded.seals_names, lease_secs = excluded.lease_secs,
                version = tickets.show.version + 1
        returning show_id, name, opens_at, closes_at, seals_names, lease_secs, rules, version";
    KEYS = "select kid, public_key, private_sealed, name_key_sealed, state
        from tickets.key where venue_id = $1 and show_id = $2 order by kid";
    INSERT_KEY = "insert into tickets.key (venue_id, show_id, kid, public_key, private_sealed,
            name_key_sealed, state, created_at, changed_at)
        values ($1, $2, $3, $4, $5, $6, 'active', $7, $7)";
    MOVE_KEY = "update tickets.key set state = $4, changed_at = $5
        where venue_id = $1 and show_id = $2 and kid = $3";
}

/// A show's key as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) kid: u8,
    pub(crate) public_key: Vec<u8>,
    pub(crate) private_sealed: Vec<u8>,
    pub(crate) name_key_sealed: Vec<u8>,
    pub(crate) state: String,
}

/// The statement that reads a show's keys, for a pipeline of another store: `$1` venue, `$2` show.
pub(crate) const SHOW_KEYS: &str = KEYS;
/// The statement that reads a show's doors, for a pipeline of another store.
pub(crate) const SHOW_DOORS: &str = FIND_DOORS;

pub(crate) fn doors(row: &Row) -> Result<Doors, DbError> {
    Ok(Doors {
        show_id: row.col("show_id")?,
        name: row.col("name")?,
        opens_at: row.col("opens_at")?,
        closes_at: row.col("closes_at")?,
        seals_names: row.col("seals_names")?,
        lease_secs: row.col("lease_secs")?,
        rules: row.col("rules")?,
        version: row.col("version")?,
    })
}

pub(crate) fn key(row: &Row) -> Result<KeyRow, DbError> {
    Ok(KeyRow {
        kid: u8::try_from(row.col::<i16>("kid")?).unwrap_or(0),
        public_key: row.col("public_key")?,
        private_sealed: row.col("private_sealed")?,
        name_key_sealed: row.col("name_key_sealed")?,
        state: row.col("state")?,
    })
}

pub(crate) async fn find_doors(q: &mut Reader, show: ShowId) -> Result<Option<Doors>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_DOORS, &[&venue, &show]).await?.first().map(doors).transpose()
}

/// Locks the doors, then looks at their keys.
pub(crate) async fn lock_doors(
    tx: &mut Tx,
    show: ShowId,
) -> Result<Option<(Doors, Vec<KeyRow>)>, DbError> {
    let venue = tx.venue()?;
    let [found, keys] = tx
        .pipeline([Query::new(LOCK_DOORS, &[&venue, &show]), Query::new(KEYS, &[&venue, &show])])
        .await?;
    let Some(found) = found.first() else { return Ok(None) };
    Ok(Some((doors(found)?, keys.iter().map(key).collect::<Result<_, _>>()?)))
}

/// Makes or changes the doors; gives them as they are now.
pub(crate) async fn save_doors(tx: &mut Tx, new: &Doors) -> Result<Doors, DbError> {
    let venue = tx.venue()?;
    let rows = tx
        .execute(
            SAVE_DOORS,
            &[
                &venue,
                &new.show_id,
                &new.name,
                &new.opens_at,
                &new.closes_at,
                &new.seals_names,
                &new.lease_secs,
            ],
        )
        .await?;
    rows.first().map(doors).transpose()?.ok_or(DbError::Away)
}

pub(crate) fn insert_key(
    tx: &mut Tx,
    show: ShowId,
    key: KeyRow,
    at: Timestamp,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        show,
        i16::from(key.kid),
        key.public_key,
        key.private_sealed,
        key.name_key_sealed,
        at,
    ];
    tx.change(INSERT_KEY, row);
    Ok(())
}

/// `state` is `retired` or `revoked`.
pub(crate) fn move_key(
    tx: &mut Tx,
    show: ShowId,
    kid: u8,
    state: &'static str,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, i16::from(kid), state, tx.now()];
    tx.change(MOVE_KEY, row);
    Ok(())
}
