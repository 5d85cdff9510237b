//! What is kept of a person, to be given to them or erased.

use kernel::ids::UserId;
use pg::{Columns, DbError, Reader, Tx};
use uuid::Uuid;

use super::reservations::owned;
use crate::reservation::Reservation;

pg::statements! {
    ERASE_RESERVATIONS = "update floor.reservation set guest_name = 'Erased', phone = null,
            notes = null, token_hash = null, version = version + 1
        where user_id = $1 returning id, guest_id";
    // The parties that came with them, also those that were merged or split since.
    ERASE_GUESTS = "update floor.guest set guest_name = 'Erased', phone = null, email = null,
            notes = null, allergies = null, flags = '{}', link_hash = null, version = version + 1
        where id = any($1::uuid[]) or reservation_id = any($2::uuid[]) or lower(email) = $3
        returning id";
    // What the floor was like is told without them.
    ERASE_IN_KEYFRAMES = "update floor.keyframe set state = jsonb_set(
            jsonb_set(state::jsonb, '{guests}', (state::jsonb -> 'guests') - $1::text[]),
            '{reservations}', (state::jsonb -> 'reservations') - $1::text[])::json
        where state::jsonb -> 'guests' ?| $1::text[]
           or state::jsonb -> 'reservations' ?| $1::text[]";
    LIST_RESERVATIONS_OF_USER = "select id, guest_name, party_size, phone, notes, starts_at,
            ends_at, status, table_ids, guest_id, exceeds_pacing, expires_at, why, version, user_id,
            token_hash
        from floor.reservation where user_id = $1 order by id";
}

pub(crate) async fn erase(tx: &mut Tx, user: UserId, email: &str) -> Result<Vec<Uuid>, DbError> {
    let rows = tx.execute(ERASE_RESERVATIONS, &[&user]).await?;
    let reservations = rows.iter().map(|row| row.col("id")).collect::<Result<Vec<Uuid>, _>>()?;
    let guests: Vec<Option<Uuid>> =
        rows.iter().map(|row| row.col("guest_id")).collect::<Result<_, _>>()?;
    let guests: Vec<Uuid> = guests.into_iter().flatten().collect();
    let erased = tx.execute(ERASE_GUESTS, &[&guests, &reservations, &email]).await?;
    let erased = erased.iter().map(|row| row.col("id")).collect::<Result<Vec<Uuid>, _>>()?;
    // A party that is gone is still told of by the log.
    let all = [reservations, guests, erased].concat();
    let names: Vec<String> = all.iter().map(Uuid::to_string).collect();
    tx.execute(ERASE_IN_KEYFRAMES, &[&names]).await?;
    Ok(all)
}

pub(crate) async fn list_of_user(
    q: &mut Reader,
    user: UserId,
) -> Result<Vec<Reservation>, DbError> {
    let rows = q.query(LIST_RESERVATIONS_OF_USER, &[&user]).await?;
    rows.iter().map(|row| owned(row).map(|found| found.reservation)).collect()
}
