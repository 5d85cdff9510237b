-- Shows, their seats, and who has them.
create schema booking;
grant usage on schema booking to rowlock_app, rowlock_job;

create table booking.layout (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 120),
    plan json not null,
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint layout_name_key unique (venue_id, name)
);

create table booking.show (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 200),
    description text check (length(description) <= 4000),
    starts_at timestamptz not null,
    status text not null check (status in ('draft', 'on_sale', 'closed', 'cancelled')),
    hold_secs int not null check (hold_secs between 30 and 900),
    currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
    -- Blocks and categories with their prices: what never changes while seats are sold.
    plan json not null default '{"categories":[],"blocks":[]}',
    seat_count int not null default 0 check (seat_count >= 0),
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id)
);
create index show_starts_at on booking.show (venue_id, starts_at, id);

-- A place in a show. The row is the lock: whoever wants the seat takes it first, in seat order.
create table booking.seat (
    venue_id uuid not null,
    show_id uuid not null,
    seat int not null,
    label text not null check (length(label) between 1 and 40),
    block text not null,
    category text not null,
    price bigint not null check (price >= 0),
    accessible boolean not null default false,
    withheld boolean not null default false,
    -- How many seats its block has, where the block is sold as one.
    whole int check (whole > 0),
    primary key (venue_id, show_id, seat),
    constraint seat_label_key unique (venue_id, show_id, label),
    foreign key (venue_id, show_id) references booking.show
) with (fillfactor = 80);

-- A seat's show tells its venue: without knowing it PostgreSQL multiplies the two and reads the
-- whole show for two seats.
create statistics booking.seat_of_show (dependencies, ndistinct)
    on venue_id, show_id from booking.seat;

create table booking.hold (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    user_id uuid not null references identity.user,
    token_hash bytea not null,
    seats int[] not null check (cardinality(seats) between 1 and 10),
    total bigint not null check (total >= 0),
    status text not null check (status in ('live', 'released', 'expired', 'booked')),
    expires_at timestamptz not null,
    -- No extension goes beyond this.
    ends_at timestamptz not null check (ends_at >= expires_at),
    created_at timestamptz not null,
    -- No foreign key to the show: its claims lead there through their seats, and checking it would
    -- lock the show's row for every hold.
    primary key (venue_id, id)
) with (fillfactor = 80);
create index hold_due on booking.hold (expires_at) where status = 'live';
create index hold_user on booking.hold (venue_id, user_id, expires_at);

create table booking.booking (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    hold_id uuid,
    code text not null,
    user_id uuid not null references identity.user,
    customer_name text not null check (length(customer_name) between 1 and 120),
    customer_email text check (length(customer_email) between 3 and 254),
    seats int[] not null check (cardinality(seats) between 1 and 10),
    labels text[] not null check (cardinality(labels) = cardinality(seats)),
    total bigint not null check (total >= 0),
    currency char(3) not null,
    status text not null check (status in ('pending', 'confirmed', 'cancelled', 'expired')),
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint booking_code_key unique (venue_id, code),
    constraint booking_hold_key unique (venue_id, hold_id),
    foreign key (venue_id, show_id) references booking.show
) with (fillfactor = 90);
create index booking_show on booking.booking (venue_id, show_id, id);
create index booking_user on booking.booking (user_id, id);

-- Who has a seat: at most one row per seat, live hold or booking. The last wall against two owners.
create table booking.claim (
    venue_id uuid not null,
    show_id uuid not null,
    seat int not null,
    hold_id uuid,
    booking_id uuid,
    -- Null for a booking. Past it the seat is free, whether or not somebody has swept.
    expires_at timestamptz,
    constraint claim_pkey primary key (venue_id, show_id, seat),
    constraint claim_one_owner check (
        (booking_id is null and hold_id is not null and expires_at is not null)
        or (booking_id is not null and expires_at is null)),
    foreign key (venue_id, show_id, seat) references booking.seat,
    foreign key (venue_id, hold_id) references booking.hold,
    foreign key (venue_id, booking_id) references booking.booking
) with (fillfactor = 80);

call log.guard('booking.layout');
call log.guard('booking.show');
call log.guard('booking.seat');
call log.guard('booking.hold');
call log.guard('booking.booking');
call log.guard('booking.claim');
-- A customer also sees their own bookings in all venues.
create policy own on booking.booking for select to rowlock_app
    using (user_id = (select log.scope_user()));

grant select, insert, update on booking.layout, booking.show, booking.seat, booking.hold,
    booking.booking, booking.claim to rowlock_app, rowlock_job;
grant delete on booking.layout, booking.seat, booking.claim to rowlock_app, rowlock_job;
