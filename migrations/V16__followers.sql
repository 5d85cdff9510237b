-- Who may follow one order or booking without a role: whoever brings what opens it. Written by the
-- slice that gives the secret out, in the transaction that makes the entity. A secret is kept as
-- its hash, and no longer than there is something to follow.
create table log.follower (
    venue_id uuid not null,
    topic smallint not null,
    entity_id uuid not null,
    opener bytea not null check (length(opener) = 32),
    until timestamptz not null,
    primary key (venue_id, topic, entity_id, opener)
);
create index follower_until on log.follower using brin (until);

call log.guard('log.follower');
grant select, insert, update on log.follower to rowlock_app, rowlock_job;
grant delete on log.follower to rowlock_job;
