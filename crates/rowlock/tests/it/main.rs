//! The API's tests: real workers over real PostgreSQL and Redis, one file per slice or promise.

mod audit;
mod booking;
mod booking_best;
mod booking_best_race;
mod booking_expiry;
mod booking_once;
mod booking_race;
mod booking_refusals;
mod cluster;
mod devices;
mod doctor;
mod dropped;
mod floor;
mod floor_race;
mod floor_room;
mod floor_seating;
mod identity;
mod isolation;
mod openapi;
mod operations;
mod presence;
mod sale;
mod scope;
mod statements;
mod trips;
