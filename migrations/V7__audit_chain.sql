-- The audit log becomes a chain per venue: each row carries a hash over the one before it, so that
-- a row that was changed, taken out, put in or moved is found by `rowlock audit verify`.
alter table log.audit rename to audit_before_chain;

-- Where a venue's chain ends. Locked before the head of the event log, never after it.
create table log.audit_head (
    venue_id uuid primary key,
    seq bigint not null,
    hash bytea not null
) with (fillfactor = 50);

create table log.audit (
    venue_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    actor uuid not null,
    action text not null,
    entity text not null,
    entity_id uuid not null,
    -- What was done, and from where. It and its salt may be forgotten; their hash stays.
    payload json,
    salt bytea,
    payload_hash bytea not null,
    prev_hash bytea not null,
    hash bytea not null,
    primary key (venue_id, seq),
    constraint audit_forgotten_whole check ((payload is null) = (salt is null))
);
create index audit_actor on log.audit (actor);
create index audit_entity on log.audit (entity_id);

-- Appends to a chain in the packet of the commit. The application has no other way to write here.
create function log.append_audit(
    of_venue uuid, by_actor uuid, actions text[], entities text[], entity_ids uuid[], payloads text[]
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
declare
    role text := coalesce(nullif(current_setting('role', true), 'none'), session_user);
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
    head log.audit_head;
    made log.audit;
begin
    if role <> 'rowlock_job' and of_venue is distinct from coalesce(log.scope_venue(), nobody) then
        raise exception 'the audit log of another venue' using errcode = 'insufficient_privilege';
    end if;
    select * into head from log.audit_head h where h.venue_id = of_venue for update;
    if not found then
        insert into log.audit_head values (of_venue, 0, sha256(uuid_send(of_venue)))
            on conflict do nothing;
        select * into head from log.audit_head h where h.venue_id = of_venue for update;
    end if;
    for n in 1 .. cardinality(actions) loop
        made := (of_venue, head.seq + 1, clock_timestamp(), by_actor, actions[n], entities[n],
                 entity_ids[n], payloads[n]::json,
                 uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), null, head.hash, null);
        made.payload_hash := sha256(made.salt || convert_to(payloads[n], 'UTF8'));
        -- Texts stand with their lengths, so that no two rows give the same bytes.
        made.hash := sha256(
            made.prev_hash || uuid_send(made.venue_id) || int8send(made.seq)
            || int8send((extract(epoch from made.at) * 1000000)::bigint) || uuid_send(made.actor)
            || int4send(octet_length(made.action)) || convert_to(made.action, 'UTF8')
            || int4send(octet_length(made.entity)) || convert_to(made.entity, 'UTF8')
            || uuid_send(made.entity_id) || made.payload_hash);
        insert into log.audit select made.*;
        head.seq := made.seq;
        head.hash := made.hash;
    end loop;
    update log.audit_head h set seq = head.seq, hash = head.hash where h.venue_id = of_venue;
end
$$;

-- What was written before the chain enters it with its own time inside.
do $$
declare
    old record;
begin
    for old in select * from log.audit_before_chain order by venue_id, id loop
        perform set_config('app.venue_id', old.venue_id::text, true);
        perform log.append_audit(old.venue_id, old.actor, array[old.action], array[old.entity],
            array[old.entity_id],
            array[json_build_object('detail', old.detail, 'writtenAt', old.at)::text]);
    end loop;
    perform set_config('app.venue_id', '', true);
end $$;
drop table log.audit_before_chain;

-- Nobody changes a row, not even by accident as the owner. Only what it says may be forgotten.
create function log.audit_stays() returns trigger language plpgsql as
$$
begin
    if tg_op = 'UPDATE' and new.payload is null and new.salt is null
       and (new.venue_id, new.seq, new.at, new.actor, new.action, new.entity, new.entity_id,
            new.payload_hash, new.prev_hash, new.hash)
       is not distinct from
           (old.venue_id, old.seq, old.at, old.actor, old.action, old.entity, old.entity_id,
            old.payload_hash, old.prev_hash, old.hash) then
        return new;
    end if;
    raise exception 'the audit log is only appended to' using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_stays before update or delete on log.audit
    for each row execute function log.audit_stays();
create trigger audit_stays_whole before truncate on log.audit
    for each statement execute function log.audit_stays();

-- Forgets what the logs say of a person: `things` are the ids of what told of them. The chain stays
-- whole, because it covers the salted hash. Gives the number of audit rows and of events.
create function log.forget_person(person uuid, things uuid[])
returns table (acts bigint, events bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
begin
    update log.audit set payload = null, salt = null
    where payload is not null and (actor = person or entity_id = person or entity_id = any(things));
    get diagnostics acts = row_count;
    update log.venue_event set data = 'null'
    where entity_id = person or entity_id = any(things);
    get diagnostics events = row_count;
    -- Stored answers hold the same words.
    delete from log.once where actor = person;
    return next;
end
$$;

call log.guard('log.audit');
call log.guard('log.audit_head');
grant select on log.audit, log.audit_head to rowlock_app, rowlock_job;
revoke all on function log.append_audit(uuid, uuid, text[], text[], uuid[], text[]) from public;
grant execute on function log.append_audit(uuid, uuid, text[], text[], uuid[], text[])
    to rowlock_app, rowlock_job;
revoke all on function log.forget_person(uuid, uuid[]) from public;
grant execute on function log.forget_person(uuid, uuid[]) to rowlock_job;
