-- What was asked for with `Prefer: respond-async`, until any worker has done it. The stream in Redis
-- only says that it is there: this row is what cannot be lost.
create table booking.request (
    venue_id uuid not null,
    id uuid not null,
    user_id uuid not null references identity.user,
    device_id uuid,
    operation text not null,
    -- The key that it is done under, as of the request.
    key text not null,
    route text not null,
    body_hash bytea not null,
    -- What to do. It has names and secrets, and goes as soon as it is done.
    body text,
    asked_at timestamptz not null,
    -- When somebody does it whom no stream has told.
    due_at timestamptz not null,
    done_at timestamptz,
    -- A refusal that is not kept under the key: of the request itself, or because it took too long.
    refusal_status smallint,
    refusal text,
    primary key (venue_id, id),
    constraint request_key unique (venue_id, user_id, key),
    constraint request_open check ((done_at is null) = (body is not null)),
    constraint request_refusal check ((refusal is null) = (refusal_status is null)
        and (refusal is null or done_at is not null))
);
create index request_due on booking.request (due_at) where done_at is null;
create index request_asked_at on booking.request using brin (asked_at);

call log.guard('booking.request');
grant select, insert, update, delete on booking.request to rowlock_app, rowlock_job;

-- The line in front of a show: while it is open, customers need a pass to hold seats. Its row is
-- the lock of whoever joins and of whoever gives passes; it is never locked together with a seat.
create table booking.line (
    venue_id uuid not null,
    show_id uuid not null,
    open boolean not null,
    pass_secs int not null check (pass_secs between 30 and 1800),
    -- Passes a second: what the house allows at most, and what the seats are given away at now.
    per_sec_max int not null check (per_sec_max between 1 and 500),
    per_sec int not null check (per_sec between 1 and 500),
    -- The last place that was taken, and the last that was called.
    joined bigint not null default 0,
    served bigint not null default 0 check (served <= joined),
    -- Every seat is sold or kept back for good.
    sold_out boolean not null default false,
    moved_at timestamptz not null,
    version bigint not null default 1,
    primary key (venue_id, show_id),
    foreign key (venue_id, show_id) references booking.show
) with (fillfactor = 80);
create index line_open on booking.line (venue_id, show_id) where open;

create table booking.line_place (
    venue_id uuid not null,
    show_id uuid not null,
    place bigint not null check (place > 0),
    user_id uuid not null references identity.user,
    status text not null
        check (status in ('waiting', 'passed', 'used', 'expired', 'left', 'ended')),
    joined_at timestamptz not null,
    -- Until when the pass counts.
    pass_until timestamptz,
    -- Holds and bookings that were made with it.
    uses int not null default 0 check (uses between 0 and 3),
    primary key (venue_id, show_id, place),
    foreign key (venue_id, show_id) references booking.line,
    constraint place_pass check (status <> 'passed' or pass_until is not null)
) with (fillfactor = 80);
-- A customer stands once in the line of a show.
create unique index line_place_once on booking.line_place (venue_id, show_id, user_id)
    where status in ('waiting', 'passed');
create index line_place_waiting on booking.line_place (venue_id, show_id, place)
    where status = 'waiting';
create index line_place_passed on booking.line_place (venue_id, show_id, pass_until)
    where status = 'passed';

call log.guard('booking.line');
call log.guard('booking.line_place');
grant select, insert, update on booking.line, booking.line_place to rowlock_app, rowlock_job;
grant delete on booking.line_place to rowlock_job;
