//! The only door to PostgreSQL: pool, write, read, idempotency, event log, migrations.
