-- Reservations, and which table is promised to whom at what time.
create extension if not exists btree_gist;

create table floor.reservation (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    guest_name text not null check (length(guest_name) between 1 and 120),
    party_size int not null check (party_size between 1 and 100),
    phone text check (length(phone) <= 40),
    notes text check (length(notes) <= 2000),
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    status text not null check (status in
        ('held', 'booked', 'arrived', 'seated', 'completed', 'cancelled', 'no_show')),
    table_ids uuid[] not null check (cardinality(table_ids) between 1 and 10),
    guest_id uuid,
    exceeds_pacing boolean not null,
    expires_at timestamptz,
    why text not null,
    -- The customer whose it is, and the secret that came with the hold, hashed.
    user_id uuid,
    token_hash text,
    version bigint not null,
    primary key (venue_id, id)
) with (fillfactor = 80);
create index reservation_starts_at on floor.reservation (venue_id, starts_at, id);
create index reservation_due on floor.reservation (expires_at) where status = 'held';

-- One row per table and reservation that waits for its party. The last wall against two promises
-- of one table for the same time; it knows no holds that have run out, so the code deletes those.
create table floor.promise (
    venue_id uuid not null,
    table_id uuid not null,
    reservation_id uuid not null,
    during tstzrange not null,
    primary key (venue_id, reservation_id, table_id),
    constraint promise_no_overlap
        exclude using gist (venue_id with =, table_id with =, during with &&),
    foreign key (venue_id, table_id) references floor.table,
    foreign key (venue_id, reservation_id) references floor.reservation
);

call log.guard('floor.reservation');
call log.guard('floor.promise');

grant select, insert, update on floor.reservation to rowlock_app, rowlock_job;
grant select, insert, delete on floor.promise to rowlock_app, rowlock_job;
