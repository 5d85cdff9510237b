-- What a person does about their account: reset links, invitations, deactivation; and what was
-- taken back lately, for workers that nobody tells.
alter table identity.user
    -- Since when the address is known to be the person's own: a mailed link was followed.
    add column email_verified_at timestamptz,
    -- Who ended it: only whoever ended it themself may begin again themself.
    add column deactivated_by text check (deactivated_by in ('self', 'operator'));

-- A mailed link that sets a new password. Found by its id, proved by its secret.
create table identity.reset (
    id uuid primary key,
    user_id uuid not null references identity.user,
    secret_hash bytea not null,
    tries int not null default 0,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index reset_user on identity.reset (user_id) where used_at is null;
create index reset_expires_at on identity.reset (expires_at);

-- A mailed link that gives whoever follows it a role in the venue.
create table identity.invitation (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    email text not null check (email = lower(email) and length(email) between 3 and 254),
    role text not null check (role in ('owner', 'manager', 'host', 'box_office', 'scanner',
                                       'therapist', 'cashier', 'monitor')),
    secret_hash bytea not null,
    state text not null default 'open' check (state in ('open', 'accepted', 'withdrawn')),
    tries int not null default 0,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (venue_id, id)
);
create unique index invitation_open on identity.invitation (venue_id, email) where state = 'open';

-- Sessions that were ended, roles that were changed, keys that were thrown away in the last
-- minutes. Exactly one of the three.
create table identity.revocation (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    session_id uuid,
    user_id uuid,
    in_venue uuid,
    all_keys boolean not null default false,
    constraint revocation_kind check (
        num_nonnulls(session_id, user_id) + all_keys::int = 1
        and (user_id is null) = (in_venue is null))
);
create index revocation_at on identity.revocation (at);

call log.guard('identity.invitation');
grant select, insert, update on identity.reset, identity.invitation to rowlock_app, rowlock_job;
grant select, insert on identity.revocation to rowlock_app, rowlock_job;
grant delete on identity.reset, identity.revocation, identity.invitation to rowlock_job;
