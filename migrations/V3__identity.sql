-- Users, their sessions, the keys that sign their tokens; venues and who works there.
create schema identity;
grant usage on schema identity to rowlock_app, rowlock_job;

create table identity.user (
    id uuid primary key,
    email text not null check (email = lower(email) and length(email) between 3 and 254),
    name text not null check (length(name) between 1 and 120),
    password_hash text,
    active boolean not null default true,
    created_at timestamptz not null,
    constraint user_email_key unique (email)
);

-- One sign-in, and the family of its refresh tokens.
create table identity.session (
    id uuid primary key,
    user_id uuid not null references identity.user,
    created_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    agent text
);
create index session_of_user on identity.session (user_id) where ended_at is null;

-- A refresh token is stored hashed; a used one keeps its successor, sealed under the token itself,
-- so that a lost answer or a second tab gets the same successor within the grace.
create table identity.refresh_token (
    token_hash bytea primary key,
    session_id uuid not null references identity.session on delete cascade,
    created_at timestamptz not null,
    used_at timestamptz,
    successor_sealed bytea,
    successor_hash bytea,
    -- Replaced by another successor before it was used: whoever brings it is not alone.
    revoked_at timestamptz
);
create index refresh_token_session on identity.refresh_token (session_id);

create table identity.signing_key (
    kid text primary key,
    public_key bytea not null,
    private_sealed bytea not null,
    state text not null check (state in ('next', 'active', 'retired')),
    created_at timestamptz not null,
    -- Since when it is in this state.
    changed_at timestamptz not null
);
create unique index signing_key_one on identity.signing_key (state) where state <> 'retired';

-- Sign-ins that were tried and not (yet) right, per account, per address, and per account from an
-- address that it is known at: the next one is free at `free_at`.
create table identity.attempt (
    subject text primary key,
    failures int not null,
    free_at timestamptz not null,
    updated_at timestamptz not null
);
create index attempt_updated_at on identity.attempt using brin (updated_at);

create table identity.venue (
    venue_id uuid primary key,
    name text not null check (length(name) between 1 and 120),
    time_zone text not null,
    currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
    version bigint not null default 1,
    created_at timestamptz not null
);

create table identity.member (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    user_id uuid not null references identity.user,
    role text not null check (role in ('owner', 'manager', 'host', 'box_office', 'scanner',
                                       'therapist', 'cashier', 'monitor')),
    active boolean not null default true,
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint member_user_key unique (venue_id, user_id)
);
create index member_user on identity.member (user_id);

call log.guard('identity.venue');
call log.guard('identity.member');
-- A user also sees the venues that they work in, and their own memberships there.
create policy own on identity.member for select to rowlock_app
    using (user_id = (select log.scope_user()));
create policy own on identity.venue for select to rowlock_app
    using (exists (select from identity.member m
                   where m.venue_id = venue.venue_id and m.user_id = (select log.scope_user())));

grant select, insert, update on identity.user, identity.session, identity.refresh_token,
    identity.signing_key, identity.attempt, identity.venue, identity.member
    to rowlock_app, rowlock_job;
-- What nobody needs any more is forgotten by a job.
grant delete on identity.attempt, identity.refresh_token, identity.session, identity.signing_key
    to rowlock_job;
