-- Parties that wait for seats of a show. What comes free is offered to the first that fits, as a
-- hold of its own.
create table booking.waiting (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    user_id uuid not null references identity.user,
    quantity int not null check (quantity between 1 and 10),
    category text,
    email text check (length(email) between 3 and 254),
    status text not null check (status in ('waiting', 'offered', 'taken', 'passed', 'left')),
    -- The last offer.
    hold_id uuid,
    created_at timestamptz not null,
    version bigint not null default 1,
    primary key (venue_id, id),
    foreign key (venue_id, show_id) references booking.show,
    foreign key (venue_id, hold_id) references booking.hold,
    constraint waiting_offer check (status <> 'offered' or hold_id is not null)
);
-- A party stands once in the list of a show.
create unique index waiting_once on booking.waiting (venue_id, show_id, user_id)
    where status in ('waiting', 'offered');
create index waiting_open on booking.waiting (venue_id, show_id, id)
    where status in ('waiting', 'offered');
create index waiting_user on booking.waiting (user_id, id);

call log.guard('booking.waiting');
-- One's own in all venues, and the holds that were offered.
create policy own on booking.waiting for select to rowlock_app
    using (user_id = (select log.scope_user()));
create policy own on booking.hold for select to rowlock_app
    using (user_id = (select log.scope_user()));
grant select, insert, update on booking.waiting to rowlock_app, rowlock_job;
