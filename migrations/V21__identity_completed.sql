-- Sign-in with OpenID Connect, the token of a first start, what of the audit log was noted outside,
-- and what workers have to forget.

-- Who somebody is at a provider. The issuer is the key, not the name that the operator gave it: a
-- name may point to another issuer tomorrow, and its subjects are other people.
create table identity.oidc_login (
    issuer text not null check (length(issuer) <= 500),
    subject text not null check (length(subject) between 1 and 255),
    user_id uuid not null references identity.user,
    linked_at timestamptz not null,
    primary key (issuer, subject)
);
create index oidc_login_user on identity.oidc_login (user_id);

-- One trip to a provider and back. Whatever opens something is kept as a hash.
create table identity.oidc_flow (
    state_hash bytea primary key,
    provider text not null,
    -- Of the cookie of the browser that began it.
    browser_hash bytea not null,
    -- SHA-256 of what the client shows when it takes its tokens.
    challenge bytea not null,
    return_to text not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    -- Once the provider has said who it is: the code that the client exchanges.
    user_id uuid references identity.user,
    code_hash bytea,
    spent_at timestamptz,
    constraint oidc_flow_code unique (code_hash),
    constraint oidc_flow_answered check ((user_id is null) = (code_hash is null))
);
create index oidc_flow_expires_at on identity.oidc_flow (expires_at);
create index oidc_flow_user on identity.oidc_flow (user_id) where user_id is not null;

-- The token that makes the first owner, while there is no user. At most one.
create table identity.setup (
    one boolean primary key default true check (one),
    token_hash bytea not null,
    expires_at timestamptz not null
);

-- How far each audit chain was noted in the workers' logs.
create table log.audit_anchor (
    venue_id uuid primary key,
    seq bigint not null
);
call log.guard('log.audit_anchor');

-- Events of this venue were blanked: workers drop what they keep of them. An older worker reads such
-- a row as "keys were thrown away" and loads them anew, which harms nobody.
alter table identity.revocation
    add column forget_in uuid,
    add column forget_until bigint,
    drop constraint revocation_kind,
    add constraint revocation_kind check (
        num_nonnulls(session_id, user_id, forget_in) + all_keys::int = 1
        and (user_id is null) = (in_venue is null)
        and (forget_in is null) = (forget_until is null));

-- As before, and tells which events of which venues were blanked: up to where each log has gone.
-- Whoever erases holds the rows of the person, so nothing about them is told after that.
drop function log.forget_person(uuid, uuid[]);
create function log.forget_person(person uuid, things uuid[])
returns table (acts bigint, events bigint, venues uuid[], heads bigint[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
declare
    all_of_them uuid[] := things || person;
begin
    update log.audit set payload = null, salt = null
    where payload is not null and (actor = person or entity_id = any(all_of_them));
    get diagnostics acts = row_count;
    with blanked as (
        update log.venue_event set data = 'null' where entity_id = any(all_of_them)
        returning venue_id
    ), counted as (
        select b.venue_id, count(*) as n from blanked b group by b.venue_id
    )
    select coalesce(sum(c.n), 0), coalesce(array_agg(c.venue_id), '{}'),
           coalesce(array_agg(h.seq), '{}')
    into events, venues, heads
    from counted c join log.venue_head h on h.venue_id = c.venue_id;
    delete from log.once where actor = person;
    update log.once set answer = '{}'
    where answer <> '' and exists (
        select from unnest(all_of_them) as thing where strpos(answer, thing::text) > 0);
    return next;
end
$$;
revoke all on function log.forget_person(uuid, uuid[]) from public;
grant execute on function log.forget_person(uuid, uuid[]) to rowlock_job;

grant select, insert, update on identity.oidc_login, identity.oidc_flow to rowlock_app, rowlock_job;
grant delete on identity.oidc_login, identity.oidc_flow to rowlock_job;
grant select, insert, update, delete on identity.setup to rowlock_app, rowlock_job;
grant select, insert, update on log.audit_anchor to rowlock_job;
