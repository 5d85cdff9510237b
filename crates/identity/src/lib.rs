//! Users, sessions, venues, members.
