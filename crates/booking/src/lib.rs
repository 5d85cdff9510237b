//! Shows, seats, holds and bookings.
