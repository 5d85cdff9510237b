//! What is kept of a person, to be erased.

use kernel::ids::UserId;
use pg::{Columns, DbError, Tx};
use uuid::Uuid;

pg::statements! {
    // Their own, and those that somebody made for their address.
    ERASE_BOOKINGS = "update booking.booking
        set customer_name = 'Erased', customer_email = null, version = version + 1
        where user_id = $1 or lower(customer_email) = $2
        returning id";
    // Nobody is offered seats any more who cannot be told.
    ERASE_WAITING = "update booking.waiting
        set email = null, version = version + 1,
            status = case status when 'waiting' then 'left' else status end
        where user_id = $1 or lower(email) = $2
        returning id";
    // What they have asked for and was not done yet names them, and would be done for nobody.
    ERASE_REQUESTS = "delete from booking.request where user_id = $1";
}

pub(crate) async fn erase(tx: &mut Tx, user: UserId, email: &str) -> Result<Vec<Uuid>, DbError> {
    let bookings = tx.execute(ERASE_BOOKINGS, &[&user, &email]).await?;
    let waiting = tx.execute(ERASE_WAITING, &[&user, &email]).await?;
    tx.execute(ERASE_REQUESTS, &[&user]).await?;
    bookings.iter().chain(&waiting).map(|row| row.col("id")).collect()
}
