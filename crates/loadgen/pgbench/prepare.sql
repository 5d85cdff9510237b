-- What the scripts of this folder need besides the product's own tables; run once by the superuser.
create schema bench;

-- pgbench draws a number; this says which show it is. Read from psql's standard input.
create table bench.show (
    n int primary key,
    venue_id uuid not null,
    show_id uuid not null,
    user_id uuid not null,
    -- Not for sale in the benchmark: it is sold out already.
    past boolean not null
);
\copy bench.show from pstdin with (format csv)

-- History. On empty tables PostgreSQL plans to read them from end to end, keeps that plan while they
-- fill, and the figures would be about that. A venue that sells has sold before.
create table bench.hold as
    select venue_id, gen_random_uuid() as id, show_id, user_id, '\x00'::bytea as token_hash,
           array[seat, seat + 1] as seats, 9000 as total, 'booked' as status,
           now() as expires_at, now() as ends_at, now() as created_at, gen_random_uuid() as booking_id
    from bench.show join booking.seat using (venue_id, show_id)
    where past and seat % 2 = 1;
create table bench.claim as
    select venue_id, show_id, unnest(seats) as seat, id as hold_id, booking_id from bench.hold;
create table bench.once as
    select venue_id, user_id as actor, id::text as key, repeat('p', 120) as route,
           sha256('') as body_hash, repeat('a', 400) as answer
    from bench.hold;
alter table bench.show set (autovacuum_enabled = off);
vacuum analyze;

grant usage on schema bench to rowlock_app;
grant select on bench.show to rowlock_app;
