//! The API's tests: real workers over real PostgreSQL and Redis, one file per slice or promise.

#![expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "a test that finds less than it looks for shall fail there, and it has the caller's clock"
)]

mod accounts;
mod accounts_attacks;
mod accounts_invitations;
mod accounts_mail;
mod accounts_oidc;
mod accounts_scale;
mod accounts_setup;
mod attacks;
mod attacks_bytes;
mod audit;
mod audit_anchor;
mod booking;
mod booking_async;
mod booking_best;
mod booking_best_race;
mod booking_bundle;
mod booking_cancelled;
mod booking_crash;
mod booking_expiry;
mod booking_kept;
mod booking_layout;
mod booking_line;
mod booking_map;
mod booking_model;
mod booking_modes_race;
mod booking_once;
mod booking_pay;
mod booking_pay_cards;
mod booking_pay_late;
mod booking_pay_race;
mod booking_race;
mod booking_refusals;
mod booking_staff;
mod booking_waitlist;
mod cluster;
mod devices;
mod doctor;
mod doors;
mod dropped;
mod floor;
mod floor_levels;
mod floor_line;
mod floor_past;
mod floor_race;
mod floor_reservations;
mod floor_room;
mod floor_seating;
mod floor_service;
mod followers;
mod gala;
mod gala_hall;
mod gala_race;
mod gala_staff;
mod identity;
mod invariants;
mod isolation;
mod old_paths;
mod openapi;
mod operations;
mod payments;
mod payments_cards;
mod payments_midnight;
mod payments_race;
mod payments_returns;
mod personal;
mod personal_spa;
mod presence;
mod rates;
mod realtime;
mod sale;
mod scope;
mod slice;
mod spa;
mod spa_desk;
mod spa_house;
mod spa_line;
mod spa_race;
mod spa_turns;
mod statements;
mod tickets_booking;
mod tickets_doors;
mod tickets_hybrid;
mod tickets_issue;
mod tickets_offline;
mod tickets_race;
mod tickets_together;
mod tickets_watch;
mod till;
mod trips;
