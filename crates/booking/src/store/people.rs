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
}

pub(crate) async fn erase(tx: &mut Tx, user: UserId, email: &str) -> Result<Vec<Uuid>, DbError> {
    tx.execute(ERASE_BOOKINGS, &[&user, &email]).await?.iter().map(|row| row.col("id")).collect()
}
