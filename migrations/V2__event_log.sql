-- The event log: outbox, history and order in one table per venue.
create table log.venue_head (
    venue_id uuid primary key,
    seq bigint not null default 0,
    at timestamptz not null default clock_timestamp(),
    prev_at timestamptz
) with (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

create table log.venue_event (
    venue_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    topic smallint not null,
    type text not null,
    entity text not null,
    entity_id uuid not null,
    version bigint not null,
    action text not null,
    actor uuid not null,
    data json not null,
    primary key (venue_id, seq, at)
) partition by range (at);

-- What no partition takes: a worker's clock is never trusted to have made one in time.
create table log.venue_event_default partition of log.venue_event default;

-- Makes the partitions of today and the next three days, drops those older than `days`.
-- Owned by the migrating login, because the application may not change tables.
create function log.keep_partitions(days int) returns void
language plpgsql security definer set search_path = log, pg_temp as
$$
declare
    day date;
    part text;
begin
    if not pg_try_advisory_xact_lock(hashtext('log.keep_partitions')) then
        return;
    end if;
    for day in select d::date from generate_series(current_date, current_date + 3, interval '1 day') d
    loop
        part := 'venue_event_' || to_char(day, 'YYYYMMDD');
        if to_regclass('log.' || part) is null
           and not exists (select from log.venue_event_default where at >= day and at < day + 1) then
            execute format('create table log.%I partition of log.venue_event for values from (%L) to (%L)',
                           part, day, day + 1);
        end if;
    end loop;
    for part in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'log.venue_event'::regclass
          and c.relname ~ '^venue_event_[0-9]{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - days
    loop
        execute format('drop table log.%I', part);
    end loop;
    delete from log.venue_event_default where at < current_date - days;
end
$$;
revoke all on function log.keep_partitions(int) from public;
grant execute on function log.keep_partitions(int) to rowlock_job;
select log.keep_partitions(7);

-- The idempotency row of a write. The nil venue stands for writes outside any venue.
create table log.once (
    venue_id uuid not null,
    actor uuid not null,
    key text not null check (length(key) between 8 and 255),
    route text not null,
    body_hash bytea not null,
    status smallint,
    answer text,
    version bigint,
    created_at timestamptz not null default now(),
    primary key (venue_id, actor, key)
) with (fillfactor = 70);
create index once_created_at on log.once using brin (created_at);

-- Privileged acts. Append-only for the application.
create table log.audit (
    venue_id uuid not null,
    id bigint generated always as identity,
    at timestamptz not null default clock_timestamp(),
    actor uuid not null,
    action text not null,
    entity text not null,
    entity_id uuid not null,
    detail json not null,
    primary key (venue_id, id)
);

call log.guard('log.venue_head');
call log.guard('log.venue_event');
call log.guard('log.once');
call log.guard('log.audit');
grant select, insert, update on log.venue_head to rowlock_app, rowlock_job;
grant select, insert on log.venue_event, log.audit to rowlock_app, rowlock_job;
grant select, insert, update on log.once to rowlock_app, rowlock_job;
grant delete on log.once to rowlock_job;
