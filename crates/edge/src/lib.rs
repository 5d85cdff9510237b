//! The actix glue: who is calling, one way to write, problems as HTTP, limits.
