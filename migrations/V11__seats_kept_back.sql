-- Seats that the house keeps until a time, and shares of seats that only a code or a role may sell.
alter table booking.seat
    -- Past it a withheld seat is free, whether or not somebody has swept.
    add column withheld_until timestamptz,
    add column allocation text;
create index seat_withheld_until on booking.seat (withheld_until)
    where withheld and withheld_until is not null;

create table booking.allocation (
    venue_id uuid not null,
    show_id uuid not null,
    name text not null check (length(name) between 1 and 60),
    -- What opens it: a code that is kept as a hash, roles of members, or both.
    code_hash bytea,
    roles text[] not null,
    created_at timestamptz not null,
    primary key (venue_id, show_id, name),
    constraint allocation_opens check (code_hash is not null or cardinality(roles) > 0),
    foreign key (venue_id, show_id) references booking.show
);
alter table booking.seat add constraint seat_allocation_fkey
    foreign key (venue_id, show_id, allocation) references booking.allocation;

call log.guard('booking.allocation');
grant select, insert, update, delete on booking.allocation to rowlock_app, rowlock_job;
