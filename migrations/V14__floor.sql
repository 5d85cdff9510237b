-- The restaurant floor: sections, tables, parties, and who sits where.
create schema floor;
grant usage on schema floor to rowlock_app, rowlock_job;

-- How the floor works: turn times, opening hours, pacing. Without a row the defaults count.
create table floor.settings (
    venue_id uuid primary key references identity.venue,
    rules json not null,
    version bigint not null default 1
);

create table floor.layout (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 120),
    plan json not null,
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint floor_layout_name_key unique (venue_id, name)
);

create table floor.section (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 60),
    server text check (length(server) between 1 and 120),
    version bigint not null default 1,
    primary key (venue_id, id),
    -- Deferred: one write may swap two names.
    constraint section_name_key unique (venue_id, name) deferrable initially deferred
);

-- The row is the lock: whoever wants the table takes it first, in the order of the ids.
create table floor.table (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 40),
    section_id uuid,
    x double precision not null,
    y double precision not null,
    width double precision not null check (width > 0),
    height double precision not null check (height > 0),
    rotation double precision not null,
    shape text not null check (shape in ('rectangle', 'circle', 'booth', 'bar')),
    min_seats int not null check (min_seats between 1 and 100),
    max_seats int not null check (max_seats between min_seats and 100),
    combinable_with uuid[] not null,
    walk_in_only boolean not null,
    status text not null
        check (status in ('available', 'reserved', 'occupied', 'dirty', 'out_of_service')),
    version bigint not null,
    primary key (venue_id, id),
    constraint table_name_key unique (venue_id, name) deferrable initially deferred,
    foreign key (venue_id, section_id) references floor.section
        deferrable initially deferred
) with (fillfactor = 70);

create table floor.guest (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    guest_name text not null check (length(guest_name) between 1 and 120),
    party_size int not null check (party_size between 1 and 100),
    phone text check (length(phone) <= 40),
    notes text check (length(notes) <= 2000),
    allergies text check (length(allergies) <= 1000),
    flags text[] not null check (cardinality(flags) <= 20),
    status text not null
        check (status in ('waiting', 'notified', 'seated', 'completed', 'cancelled', 'no_show')),
    -- Where the party sits; where it sat, once it is over.
    tables uuid[] not null check (cardinality(tables) <= 10),
    section_id uuid,
    over_capacity boolean not null,
    reservation_id uuid,
    quoted_from_minutes int,
    quoted_to_minutes int,
    -- The secret link to one's place in the line, hashed.
    link_hash text,
    created_at timestamptz not null,
    notified_at timestamptz,
    seated_at timestamptz,
    ended_at timestamptz,
    -- The last step, to be undone within minutes.
    previous_status text,
    previous_tables uuid[] not null,
    stepped_at timestamptz,
    version bigint not null,
    primary key (venue_id, id)
) with (fillfactor = 70);
create index guest_live on floor.guest (venue_id, status, created_at, id)
    where status in ('waiting', 'notified', 'seated');
create index guest_created_at on floor.guest (venue_id, created_at);
create unique index guest_link_key on floor.guest (venue_id, link_hash) where link_hash is not null;

-- Who sits at a table: at most one party. The last wall against two.
create table floor.seating (
    venue_id uuid not null,
    table_id uuid not null,
    guest_id uuid not null,
    constraint seating_pkey primary key (venue_id, table_id),
    foreign key (venue_id, table_id) references floor.table,
    foreign key (venue_id, guest_id) references floor.guest
) with (fillfactor = 70);
create index seating_guest on floor.seating (venue_id, guest_id);

call log.guard('floor.settings');
call log.guard('floor.layout');
call log.guard('floor.section');
call log.guard('floor.table');
call log.guard('floor.guest');
call log.guard('floor.seating');

grant select, insert, update on floor.settings to rowlock_app, rowlock_job;
grant select, insert, update, delete on floor.layout, floor.section, floor.table, floor.guest,
    floor.seating to rowlock_app, rowlock_job;
