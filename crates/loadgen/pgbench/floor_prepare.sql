-- What the floor's script needs besides the product's own tables; run once by the superuser.
create schema if not exists bench;

-- pgbench draws a number; this says which table it is. Read from psql's standard input.
create table bench.dining (
    n int primary key,
    venue_id uuid not null,
    table_id uuid not null,
    user_id uuid not null
);
\copy bench.dining from pstdin with (format csv)
vacuum analyze;
