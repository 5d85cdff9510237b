-- The spa: what it sells, its rooms and therapists, and the orders of its customers.
create extension if not exists btree_gist;
create schema spa;
grant usage on schema spa to rowlock_app, rowlock_job;

-- Where the venue's days begin and what it is paid in: all that this slice knows of a venue.
create function spa.house(venue uuid) returns table (time_zone text, currency text)
language sql stable parallel safe as
$$ select time_zone, currency::text from identity.venue where venue_id = $1 $$;

-- How the spa works: leases, turns, bounds. Without a row the defaults count.
create table spa.settings (
    venue_id uuid primary key references identity.venue,
    rules json not null,
    version bigint not null default 1
);

create table spa.category (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 80),
    position int not null,
    visible boolean not null,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint category_name_key unique (venue_id, name)
);

create table spa.service (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    category_id uuid not null,
    name text not null check (length(name) between 1 and 80),
    description text check (length(description) <= 1000),
    image_url text check (length(image_url) <= 500 and image_url like 'https://%'),
    -- What a therapist must have learnt, and what a room must offer.
    skills text[] not null check (cardinality(skills) <= 20),
    needs text[] not null check (cardinality(needs) <= 20),
    position int not null,
    visible boolean not null,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint service_name_key unique (venue_id, category_id, name),
    constraint service_category foreign key (venue_id, category_id) references spa.category
);

create table spa.variant (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    service_id uuid not null,
    name text not null check (length(name) between 1 and 80),
    price bigint not null check (price between 0 and 100000000),
    minutes int not null check (minutes between 5 and 720),
    before_minutes int not null check (before_minutes between 0 and 120),
    after_minutes int not null check (after_minutes between 0 and 120),
    position int not null,
    visible boolean not null,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint variant_name_key unique (venue_id, service_id, name),
    constraint variant_service foreign key (venue_id, service_id) references spa.service
);

-- The row is the lock, and says who has the room: whoever wants one takes a free row and skips
-- those that others have locked. A changed row is judged again by PostgreSQL before it is given.
create table spa.room (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 40),
    offers text[] not null check (cardinality(offers) <= 20),
    turnover_minutes int not null check (turnover_minutes between 0 and 240),
    out_of_service boolean not null,
    position int not null,
    order_id uuid,
    -- Made again after the last customer.
    free_at timestamptz not null,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint room_name_key unique (venue_id, name)
) with (fillfactor = 70);

create table spa.therapist (
    venue_id uuid not null references identity.venue,
    user_id uuid not null,
    -- What customers read when they choose.
    name text not null check (length(name) between 1 and 60),
    skills text[] not null check (cardinality(skills) <= 40),
    -- The shift: on since, on a break since.
    began_at timestamptz,
    break_at timestamptz,
    -- The rotation: whoever has had fewer turns comes first, then whoever waits longer.
    turns int not null default 0,
    turn_at timestamptz,
    -- Where it stood before the last turn, should that be given back.
    turn_before timestamptz,
    -- Asked for the next customer at, and got none.
    ready_at timestamptz,
    order_id uuid,
    version bigint not null default 1,
    primary key (venue_id, user_id),
    constraint therapist_member foreign key (venue_id, user_id)
        references identity.member (venue_id, user_id)
) with (fillfactor = 70);

-- How many orders a venue had on one of its days: the next code. One row a venue and day.
create table spa.day (
    venue_id uuid not null references identity.venue,
    day date not null,
    orders int not null,
    primary key (venue_id, day)
) with (fillfactor = 50);

create table spa.order (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    day date not null,
    code text not null check (length(code) between 4 and 8),
    token_hash bytea not null,
    status text not null check (status in
        ('pending_therapist', 'therapist_confirmed', 'in_service', 'finished', 'awaiting_payment',
         'paid', 'cancelled', 'no_show')),
    name text check (length(name) <= 60),
    note text check (length(note) <= 500),
    requested_id uuid,
    -- The place in the line; it stays when a claim is given back.
    line_at timestamptz not null,
    -- Since when it waits for this turn.
    waiting_since timestamptz not null,
    skills text[] not null,
    needs text[] not null,
    total bigint not null check (total >= 0),
    currency char(3) not null,
    before_minutes int not null,
    minutes int not null,
    after_minutes int not null,
    therapist_id uuid,
    room_id uuid,
    cashier_id uuid,
    -- Until when whoever has it must be heard of.
    lease_until timestamptz,
    -- In service, and nobody was heard of: a manager looks after it.
    unattended boolean not null default false,
    calls int not null default 0,
    called_at timestamptz,
    created_at timestamptz not null,
    claimed_at timestamptz,
    started_at timestamptz,
    expected_end_at timestamptz,
    finished_at timestamptz,
    payment_claimed_at timestamptz,
    ended_at timestamptz,
    reason text check (length(reason) <= 200),
    -- What the customer was told, kept for the record of promised against real.
    promised_from timestamptz,
    promised_to timestamptz,
    payment_promised_at timestamptz,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint order_code_key unique (venue_id, day, code),
    -- What must be there in which status.
    constraint order_has_its_people check (
        (status in ('therapist_confirmed', 'in_service')) <= (therapist_id is not null and room_id is not null)
        and (status in ('awaiting_payment')) <= (cashier_id is not null)),
    constraint order_requested foreign key (venue_id, requested_id) references spa.therapist,
    constraint order_therapist foreign key (venue_id, therapist_id) references spa.therapist,
    constraint order_room foreign key (venue_id, room_id) references spa.room
) with (fillfactor = 60);
-- The two lines. What stands at their heads is taken away all the time, so they are vacuumed by
-- rows, not by share.
create index order_waiting on spa.order (venue_id, line_at, id) where status = 'pending_therapist';
create index order_to_pay on spa.order (venue_id, finished_at, id) where status = 'finished';
create index order_lease on spa.order (lease_until) where lease_until is not null;
create index order_live on spa.order (venue_id, status)
    where status in ('therapist_confirmed', 'in_service', 'awaiting_payment');
create index order_created on spa.order (venue_id, created_at);
-- A cashier has one customer at a time.
create unique index cashier_once on spa.order (venue_id, cashier_id)
    where status = 'awaiting_payment';
alter table spa.order set (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.02);

-- What is on the bill. What was taken off stays, with who did it.
create table spa.item (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    order_id uuid not null,
    variant_id uuid not null,
    service text not null check (length(service) between 1 and 80),
    variant text not null check (length(variant) between 1 and 80),
    skills text[] not null,
    needs text[] not null,
    price bigint not null check (price >= 0),
    before_minutes int not null,
    minutes int not null,
    after_minutes int not null,
    added_at timestamptz not null,
    added_by uuid,
    removed_at timestamptz,
    removed_by uuid,
    primary key (venue_id, id),
    constraint item_order foreign key (venue_id, order_id) references spa.order
);
create index item_of_order on spa.item (venue_id, order_id);

-- Who was in which room with whom, from when to when; open as long as it lasts. The last wall
-- against two customers in a room (its turnover counts), a therapist with two, a customer of two.
create table spa.stay (
    venue_id uuid not null,
    id uuid not null,
    order_id uuid not null,
    room_id uuid not null,
    therapist_id uuid not null,
    room_during tstzrange not null,
    therapist_during tstzrange not null,
    primary key (venue_id, id),
    constraint stay_room_once
        exclude using gist (venue_id with =, room_id with =, room_during with &&),
    constraint stay_therapist_once
        exclude using gist (venue_id with =, therapist_id with =, therapist_during with &&),
    constraint stay_order foreign key (venue_id, order_id) references spa.order
);
create unique index stay_order_once on spa.stay (venue_id, order_id)
    where upper_inf(therapist_during);

-- The rotation's ledger: each turn with its reason. Rows are only added.
create table spa.turn (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    day date not null,
    at timestamptz not null,
    therapist_id uuid not null,
    what text not null check (what in
        ('began', 'took', 'took_requested', 'returned', 'lost', 'break', 'back', 'ended')),
    order_id uuid,
    -- Where the therapist stands after it.
    turns int not null,
    turn_at timestamptz,
    why json not null,
    primary key (venue_id, id)
);
create index turn_of_day on spa.turn (venue_id, day, at, id);

call log.guard('spa.settings');
call log.guard('spa.category');
call log.guard('spa.service');
call log.guard('spa.variant');
call log.guard('spa.room');
call log.guard('spa.therapist');
call log.guard('spa.day');
call log.guard('spa.order');
call log.guard('spa.item');
call log.guard('spa.stay');
call log.guard('spa.turn');

grant select, insert, update, delete on spa.category, spa.service, spa.variant, spa.room
    to rowlock_app, rowlock_job;
grant select, insert, update on spa.settings, spa.therapist, spa.day, spa.order, spa.item, spa.stay
    to rowlock_app, rowlock_job;
grant select, insert on spa.turn to rowlock_app, rowlock_job;
