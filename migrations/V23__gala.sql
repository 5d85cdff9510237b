-- Guests with tickets choose their chairs at the tables of a show.
create schema gala;
grant usage on schema gala to rowlock_app, rowlock_job;

-- How a show seats its guests. A show without a row has no gala.
create table gala.show (
    venue_id uuid not null,
    show_id uuid not null,
    open boolean not null,
    -- Whether guests see who sits where.
    names_shown boolean not null,
    opens_at timestamptz,
    -- Until then guests choose and change; the beginning of the show unless set.
    closes_at timestamptz,
    version bigint not null default 1,
    primary key (venue_id, show_id),
    foreign key (venue_id, show_id) references booking.show
);

-- What the house has said of a table, besides what the plan of its show says. The lock of a table
-- is its chairs in booking.seat: this row changes only under it.
create table gala.table (
    venue_id uuid not null,
    show_id uuid not null,
    name text not null check (length(name) between 1 and 30),
    -- Guests cannot choose it; staff can seat there.
    withheld boolean not null default false,
    reason text check (length(reason) <= 200),
    -- Only whom its captain seats or invites may sit there.
    kept boolean not null default false,
    captain_name text check (length(captain_name) between 1 and 120),
    captain_email text check (length(captain_email) between 3 and 254),
    captain_hash bytea,
    primary key (venue_id, show_id, name),
    foreign key (venue_id, show_id) references gala.show,
    constraint table_captain_key unique (venue_id, captain_hash)
);

-- Guests who came together: what they chose in one session.
create table gala.party (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    -- For their friends to sit with them, and on their confirmation; it opens nothing.
    code text not null,
    with_party uuid,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint party_code_key unique (venue_id, code),
    foreign key (venue_id, show_id) references gala.show,
    foreign key (venue_id, with_party) references gala.party
);
create index party_of_show on gala.party (venue_id, show_id);
create index party_with on gala.party (venue_id, with_party) where with_party is not null;

-- The right to act for a party, by a secret that is kept as a hash.
create table gala.session (
    venue_id uuid not null,
    id uuid not null,
    party_id uuid not null,
    token_hash bytea not null,
    expires_at timestamptz not null,
    primary key (venue_id, id),
    constraint session_token_key unique (venue_id, token_hash),
    foreign key (venue_id, party_id) references gala.party
);
create index session_of_party on gala.session (venue_id, party_id, expires_at);
create index session_over on gala.session (expires_at);

-- A ticket as a guest. One row each, so a guest has one place or none; the row is the lock. Names
-- and addresses stay with the ticket.
create table gala.guest (
    venue_id uuid not null,
    show_id uuid not null,
    ticket_id uuid not null,
    party_id uuid,
    table_name text check (length(table_name) between 1 and 30),
    -- The chair's number in booking.seat.
    chair int,
    seated_at timestamptz,
    dietary text[] not null default '{}' check (cardinality(dietary) <= 10),
    accessible boolean not null default false,
    children int not null default 0 check (children between 0 and 10),
    note text check (length(note) <= 500),
    primary key (venue_id, show_id, ticket_id),
    constraint guest_chair_key unique (venue_id, show_id, chair),
    constraint guest_seated check (
        (table_name is null) = (chair is null) and (chair is null) = (seated_at is null)),
    foreign key (venue_id, show_id) references gala.show,
    foreign key (venue_id, ticket_id) references tickets.ticket,
    foreign key (venue_id, party_id) references gala.party
) with (fillfactor = 80);
create index guest_of_party on gala.guest (venue_id, party_id) where party_id is not null;
create index guest_of_table on gala.guest (venue_id, show_id, table_name) where table_name is not null;

-- Every change of a place, for the figures and for whoever asks who did it.
create table gala.move (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    ticket_id uuid not null,
    at timestamptz not null,
    from_table text,
    to_table text,
    by text not null check (by in ('guest', 'captain', 'staff', 'proposal', 'import', 'reset')),
    primary key (venue_id, id),
    foreign key (venue_id, show_id) references gala.show
);
create index move_of_show on gala.move (venue_id, show_id, id);

-- A captain's word that somebody may sit at their table.
create table gala.invitation (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    table_name text not null check (length(table_name) between 1 and 30),
    code_hash bytea not null,
    email text check (length(email) between 3 and 254),
    seats int not null check (seats between 1 and 100),
    used int not null default 0 check (used between 0 and seats),
    withdrawn boolean not null default false,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint invitation_code_key unique (venue_id, code_hash),
    foreign key (venue_id, show_id) references gala.show
);
create index invitation_of_table on gala.invitation (venue_id, show_id, table_name);

-- Wrong pairs of number and name, counted by address and by show, so that guessing gets slow.
create table gala.attempt (
    venue_id uuid not null references identity.venue,
    subject text not null,
    failures int not null,
    free_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (venue_id, subject)
) with (fillfactor = 80);
create index attempt_updated_at on gala.attempt using brin (updated_at);

call log.guard('gala.show');
call log.guard('gala.table');
call log.guard('gala.party');
call log.guard('gala.session');
call log.guard('gala.guest');
call log.guard('gala.move');
call log.guard('gala.invitation');
call log.guard('gala.attempt');

grant select, insert, update on gala.show, gala.table, gala.party, gala.session, gala.guest,
    gala.move, gala.invitation, gala.attempt to rowlock_app, rowlock_job;
grant delete on gala.session to rowlock_app;
grant delete on gala.session, gala.attempt to rowlock_job;

-- A guest's chair is claimed where all seats are: its key is the wall between the two slices. And
-- a guest has one chair of a show, whatever was forgotten elsewhere.
alter table booking.claim add column guest_id uuid;
do $$
declare
    owners text;
begin
    -- Whoever else may own a claim by now still may.
    select pg_get_expr(conbin, conrelid) into owners from pg_constraint
    where conrelid = 'booking.claim'::regclass and conname = 'claim_one_owner';
    alter table booking.claim drop constraint claim_one_owner;
    execute format('alter table booking.claim add constraint claim_one_owner check (
        (guest_id is null and %s)
        or (guest_id is not null and booking_id is null and hold_id is null
            and expires_at is null))', owners);
end $$;
create unique index claim_guest_once on booking.claim (venue_id, show_id, guest_id)
    where guest_id is not null;

-- People type a number as they read it: with spaces, with dashes, in small letters.
create index ticket_number_loosely on tickets.ticket
    (venue_id, show_id, (translate(upper(number), ' -', '')));
