-- Answers that are stored under somebody else's key may tell of a person too: they lose their body
-- and stay, so that a repeat still does nothing twice.
create or replace function log.forget_person(person uuid, things uuid[])
returns table (acts bigint, events bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
declare
    all_of_them uuid[] := things || person;
begin
    update log.audit set payload = null, salt = null
    where payload is not null and (actor = person or entity_id = any(all_of_them));
    get diagnostics acts = row_count;
    update log.venue_event set data = 'null' where entity_id = any(all_of_them);
    get diagnostics events = row_count;
    delete from log.once where actor = person;
    update log.once set answer = '{}'
    where answer <> '' and exists (
        select from unnest(all_of_them) as thing where strpos(answer, thing::text) > 0);
    return next;
end
$$;
