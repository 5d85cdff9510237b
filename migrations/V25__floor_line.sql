-- What those who wait are told, and what the floor was like before.

-- Where a party hears that its table is ready.
alter table floor.guest add column email text check (length(email) between 3 and 254);

-- The waits that were last told of a venue's line, and the log's number that they rest on. One row
-- per venue: the worker that takes it quotes, the others leave it.
create table floor.line (
    venue_id uuid primary key references identity.venue,
    seq bigint not null,
    quoted_at timestamptz not null,
    quotes jsonb not null
);

-- The whole floor as of an event of the log: what it was like later is this and the events since.
create table floor.keyframe (
    venue_id uuid not null references identity.venue,
    seq bigint not null,
    at timestamptz not null,
    state json not null,
    primary key (venue_id, seq)
);
create index keyframe_at on floor.keyframe (venue_id, at);

-- One's own reservations in all venues.
create index reservation_user on floor.reservation (user_id, id) where user_id is not null;
create policy own on floor.reservation for select to rowlock_app
    using (user_id = (select log.scope_user()));

-- What is pushed to people's devices, through the operator's own service. As mails are: a row in
-- the transaction that is its reason.
create table notify.push (
    venue_id uuid not null,
    id uuid not null,
    kind text not null,
    -- Emptied when it is settled.
    body json,
    state text not null default 'queued' check (state in ('queued', 'sent', 'failed')),
    tries int not null default 0,
    next_at timestamptz not null,
    created_at timestamptz not null,
    settled_at timestamptz,
    reason text,
    primary key (venue_id, id),
    constraint push_settled check ((state = 'queued') = (settled_at is null))
);
create index push_due on notify.push (next_at) where state = 'queued';
create index push_settled_at on notify.push (settled_at) where state <> 'queued';

call log.guard('floor.line');
call log.guard('floor.keyframe');
call log.guard('notify.push');
grant select, insert, update on floor.line to rowlock_app, rowlock_job;
grant select, insert on floor.keyframe to rowlock_app;
grant select, insert, update, delete on floor.keyframe to rowlock_job;
grant insert on notify.push to rowlock_app;
grant select, insert, update, delete on notify.push to rowlock_job;
