//! Shares of seats that only a code or a role may sell.

use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::allocate_seats::Allocation;
use crate::model::{Claim, Seat};
use crate::store::seats;

pg::statements! {
    // The seats of the share as it is, and those that it is to have; in seat order, as everywhere.
    LOCK_SHARE = "select seat, label, block, category, price, withheld, withheld_until, allocation,
            whole
        from booking.seat
        where venue_id = $1 and show_id = $2 and (allocation = $3 or label = any($4))
        order by seat for update";
    CLAIMS_OF_SHARE = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.seat s join booking.claim c using (venue_id, show_id, seat)
        where s.venue_id = $1 and s.show_id = $2 and (s.allocation = $3 or s.label = any($4))";
    SAVE_ALLOCATION = "insert into booking.allocation
            (venue_id, show_id, name, code_hash, roles, created_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (venue_id, show_id, name) do update
        set code_hash = excluded.code_hash, roles = excluded.roles";
    DELETE_ALLOCATION = "delete from booking.allocation
        where venue_id = $1 and show_id = $2 and name = $3";
    SET_SHARE = "update booking.seat
        set allocation = case when label = any($4) then $3 end
        where venue_id = $1 and show_id = $2 and (allocation = $3 or label = any($4))";
    LIST_ALLOCATIONS = "select a.name, a.roles, a.code_hash is not null as has_code,
            coalesce((select array_agg(s.label order by s.block_rank, s.place) from booking.seat s
                      where (s.venue_id, s.show_id, s.allocation)
                            = (a.venue_id, a.show_id, a.name)), '{}') as seats
        from booking.allocation a
        where a.venue_id = $1 and a.show_id = $2 order by a.name";
}

/// Locks the seats that are in the share or come into it, then looks at who has them.
pub(crate) async fn lock_share(
    tx: &mut Tx,
    show: ShowId,
    name: &str,
    labels: &[String],
) -> Result<(Vec<Seat>, Vec<Claim>), DbError> {
    let venue = tx.venue()?;
    let [rows, claims] = tx
        .pipeline([
            Query::new(LOCK_SHARE, &[&venue, &show, &name, &labels]),
            Query::new(CLAIMS_OF_SHARE, &[&venue, &show, &name, &labels]),
        ])
        .await?;
    let claims = claims.iter().map(seats::claim).collect::<Result<_, _>>()?;
    Ok((rows.iter().map(seats::seat).collect::<Result<_, _>>()?, claims))
}

/// Makes the share or changes it, and gives it exactly these seats.
pub(crate) fn save(
    tx: &mut Tx,
    show: ShowId,
    share: &Allocation,
    code_hash: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<(), DbError> {
    let venue = tx.venue()?;
    let roles: Vec<_> = share.roles.iter().map(|role| role.as_str()).collect();
    let row = params![venue, show, share.name.clone(), code_hash, roles, now];
    tx.change(SAVE_ALLOCATION, row);
    tx.change(SET_SHARE, params![venue, show, share.name.clone(), share.seats.clone()]);
    Ok(())
}

/// Gives the share's seats back to everybody and forgets it.
pub(crate) fn delete(tx: &mut Tx, show: ShowId, name: &str) -> Result<(), DbError> {
    let venue = tx.venue()?;
    tx.change(SET_SHARE, params![venue, show, name.to_owned(), Vec::<String>::new()]);
    tx.change(DELETE_ALLOCATION, params![venue, show, name.to_owned()]);
    Ok(())
}

fn allocation(row: &Row) -> Result<Allocation, DbError> {
    let roles: Vec<&str> = row.col("roles")?;
    Ok(Allocation {
        name: row.col("name")?,
        roles: roles.into_iter().filter_map(kernel::role::Role::from_name).collect(),
        has_code: row.col("has_code")?,
        seats: row.col("seats")?,
    })
}

pub(crate) async fn list(q: &mut Reader, show: ShowId) -> Result<Vec<Allocation>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_ALLOCATIONS, &[&venue, &show]).await?.iter().map(allocation).collect()
}
