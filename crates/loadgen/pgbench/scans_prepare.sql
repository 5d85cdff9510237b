-- What the script of a scan needs besides the product's own tables; run by the superuser before each
-- measurement.
drop schema if exists bench cascade;
create schema bench;

-- pgbench draws a number; this says which ticket it is. Read from psql's standard input.
create table bench.ticket (
    n int primary key,
    venue_id uuid not null,
    show_id uuid not null,
    list_id uuid not null,
    ticket_id uuid not null,
    user_id uuid not null
);
\copy bench.ticket from pstdin with (format csv)
vacuum analyze;
