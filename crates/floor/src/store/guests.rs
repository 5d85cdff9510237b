//! Parties.

use jiff::Timestamp;
use kernel::ids::{GuestId, SectionId, TableId};
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::{Guest, GuestStatus, Party};
use crate::quote::Quote;

pg::statements! {
    FIND_GUEST = "select id, guest_name, party_size, phone, email, notes, allergies, flags, status, tables,
            section_id, over_capacity, reservation_id, quoted_from_minutes, quoted_to_minutes,
            link_hash, created_at, notified_at, arrived_at, seated_at, ended_at, previous_status,
            previous_tables, stepped_at, version
        from floor.guest where venue_id = $1 and id = $2";
    LIST_GUESTS = "select id, guest_name, party_size, phone, email, notes, allergies, flags, status, tables,
            section_id, over_capacity, reservation_id, quoted_from_minutes, quoted_to_minutes,
            link_hash, created_at, notified_at, arrived_at, seated_at, ended_at, previous_status,
            previous_tables, stepped_at, version
        from floor.guest
        where venue_id = $1 and id > $2
          and ($4::text is null or status = $4)
          and ($5::uuid is null or $5 = any(tables))
          and ($6::uuid is null or section_id = $6)
          and ($7::text is null or guest_name ilike $7 or phone ilike $7
               or ($8::text <> '' and regexp_replace(phone, '[^0-9]', '', 'g') like '%' || $8 || '%'))
        order by id limit $3";
    // Those that somebody works with: in the line, at a table, or gone since the given time.
    LIST_LIVE_GUESTS = "select id, guest_name, party_size, phone, email, notes, allergies, flags, status,
            tables, section_id, over_capacity, reservation_id, quoted_from_minutes,
            quoted_to_minutes, link_hash, created_at, notified_at, arrived_at, seated_at, ended_at,
            previous_status, previous_tables, stepped_at, version
        from floor.guest
        where venue_id = $1 and status in ('waiting', 'notified', 'seated')
        order by created_at, id limit $2";
    // Whoever has the link asks for the line without being signed in.
    FIND_PLACE_IN_LINE = "select g.status, g.quoted_from_minutes, g.quoted_to_minutes, g.party_size,
            (select count(*) from floor.guest o
             where o.venue_id = $1 and o.status in ('waiting', 'notified')
               and (o.created_at, o.id) < (g.created_at, g.id)) as ahead,
            (select l.quotes -> g.id::text from floor.line l where l.venue_id = $1) as quote
        from floor.guest g where g.venue_id = $1 and g.link_hash = $2";
    SAVE_GUESTS = "insert into floor.guest (venue_id, id, guest_name, party_size, phone, email,
            notes, allergies, flags, status, tables, section_id, over_capacity, reservation_id,
            quoted_from_minutes, quoted_to_minutes, link_hash, created_at, notified_at, arrived_at, seated_at,
            ended_at, previous_status, previous_tables, stepped_at, version)
        select $1, r.id, r.\"guestName\", r.\"partySize\", r.phone, r.email, r.notes, r.allergies, r.flags,
            r.status, r.\"tableIds\", r.\"sectionId\", r.\"overCapacity\", r.\"reservationId\",
            r.\"quotedFromMinutes\", r.\"quotedToMinutes\", r.link_hash, r.\"createdAt\",
            r.\"notifiedAt\", r.\"arrivedAt\", r.\"seatedAt\", r.\"endedAt\", r.previous_status, r.previous_tables,
            r.stepped_at, r.version
        from jsonb_to_recordset($2::jsonb) as r(id uuid, \"guestName\" text, \"partySize\" int,
            phone text, email text, notes text, allergies text, flags text[], status text, \"tableIds\" uuid[],
            \"sectionId\" uuid, \"overCapacity\" boolean, \"reservationId\" uuid,
            \"quotedFromMinutes\" int, \"quotedToMinutes\" int, link_hash text,
            \"createdAt\" timestamptz, \"notifiedAt\" timestamptz,
            \"arrivedAt\" timestamptz, \"seatedAt\" timestamptz,
            \"endedAt\" timestamptz, previous_status text, previous_tables uuid[],
            stepped_at timestamptz, version bigint)
        on conflict (venue_id, id) do update set guest_name = excluded.guest_name,
            party_size = excluded.party_size, phone = excluded.phone, email = excluded.email,
            notes = excluded.notes, allergies = excluded.allergies, flags = excluded.flags, status = excluded.status,
            tables = excluded.tables, section_id = excluded.section_id,
            over_capacity = excluded.over_capacity, reservation_id = excluded.reservation_id,
            quoted_from_minutes = excluded.quoted_from_minutes,
            quoted_to_minutes = excluded.quoted_to_minutes, link_hash = excluded.link_hash,
            notified_at = excluded.notified_at, arrived_at = excluded.arrived_at,
            seated_at = excluded.seated_at,
            ended_at = excluded.ended_at, previous_status = excluded.previous_status,
            previous_tables = excluded.previous_tables, stepped_at = excluded.stepped_at,
            version = excluded.version";
    DELETE_GUESTS = "delete from floor.guest where venue_id = $1 and id = any($2)";
}

/// Which parties to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) status: Option<GuestStatus>,
    pub(crate) table: Option<TableId>,
    pub(crate) section: Option<SectionId>,
    pub(crate) text: Option<String>,
}

pub(crate) fn party(row: &Row) -> Result<Party, DbError> {
    let status = |name: &str| GuestStatus::from_name(name).unwrap_or(GuestStatus::Completed);
    let tables: Vec<TableId> = row.col("tables")?;
    let created_at: Timestamp = row.col("created_at")?;
    let seated_at: Option<Timestamp> = row.col("seated_at")?;
    let guest = Guest {
        id: row.col("id")?,
        guest_name: row.col("guest_name")?,
        party_size: row.col("party_size")?,
        phone: row.col("phone")?,
        email: row.col("email")?,
        notes: row.col("notes")?,
        allergies: row.col("allergies")?,
        flags: row.col("flags")?,
        status: status(row.col("status")?),
        table_id: tables.first().copied(),
        table_ids: tables,
        section_id: row.col("section_id")?,
        over_capacity: row.col("over_capacity")?,
        reservation_id: row.col("reservation_id")?,
        quoted_from_minutes: row.col("quoted_from_minutes")?,
        quoted_to_minutes: row.col("quoted_to_minutes")?,
        waited_minutes: seated_at.map(|at| at.duration_since(created_at).as_mins().max(0)),
        created_at,
        notified_at: row.col("notified_at")?,
        arrived_at: row.col("arrived_at")?,
        seated_at,
        ended_at: row.col("ended_at")?,
        version: row.col("version")?,
    };
    Ok(Party {
        guest,
        link_hash: row.col("link_hash")?,
        previous_status: row.col::<Option<&str>>("previous_status")?.map(status),
        previous_tables: row.col("previous_tables")?,
        stepped_at: row.col("stepped_at")?,
    })
}

pub(crate) async fn find_guest(q: &mut Reader, id: GuestId) -> Result<Option<Party>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_GUEST, &[&venue, &id]).await?.first().map(party).transpose()
}

pub(crate) async fn list_guests(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    wanted: &Wanted,
) -> Result<Vec<Guest>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    let status = wanted.status.map(GuestStatus::as_str);
    let digits: String =
        wanted.text.iter().flat_map(|text| text.chars()).filter(char::is_ascii_digit).collect();
    let like = wanted.text.as_deref().map(like);
    let rows = q
        .query(
            LIST_GUESTS,
            &[&venue, &after, &limit, &status, &wanted.table, &wanted.section, &like, &digits],
        )
        .await?;
    rows.iter().map(|row| party(row).map(|found| found.guest)).collect()
}

/// The statement that reads the parties that are here, for a pipeline of another store.
pub(crate) const LIVE: &str = LIST_LIVE_GUESTS;

/// A place in the line, as its secret link shows it.
pub(crate) struct InLine {
    pub(crate) status: GuestStatus,
    pub(crate) ahead: i64,
    pub(crate) party_size: i32,
    pub(crate) quoted: Option<(i32, i32)>,
    /// As the line was last quoted.
    pub(crate) quote: Option<Quote>,
}

pub(crate) async fn find_place_in_line(
    q: &mut Reader,
    link_hash: &str,
) -> Result<Option<InLine>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(FIND_PLACE_IN_LINE, &[&venue, &link_hash]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let from: Option<i32> = row.col("quoted_from_minutes")?;
    Ok(Some(InLine {
        status: GuestStatus::from_name(row.col("status")?).unwrap_or(GuestStatus::Completed),
        ahead: row.col("ahead")?,
        party_size: row.col("party_size")?,
        quoted: from.zip(row.col("quoted_to_minutes")?),
        quote: row.col::<Option<Json<Quote>>>("quote")?.map(|quote| quote.0),
    }))
}

pub(crate) fn save_guests(tx: &mut Tx, parties: Vec<Party>) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(parties)];
    tx.change(SAVE_GUESTS, row);
    Ok(())
}

pub(crate) fn delete_guests(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), DbError> {
    let row = params![tx.venue()?, ids];
    tx.change(DELETE_GUESTS, row);
    Ok(())
}

/// The text anywhere, with what `like` takes for wildcards made harmless.
fn like(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_for_percent_finds_percent() {
        assert_eq!(like("50%_x"), "%50\\%\\_x%");
    }
}
