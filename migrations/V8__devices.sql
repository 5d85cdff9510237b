-- Devices of a venue: scanners, kiosks, wall screens, tills. Each has a key of its own.
create table identity.device (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 120),
    model text check (length(model) <= 120),
    profile text not null check (profile in ('scanner', 'kiosk', 'monitor', 'till')),
    -- Ed25519; the private half never leaves the device.
    public_key bytea not null check (length(public_key) = 32),
    status text not null check (status in ('pending', 'approved', 'revoked')),
    -- Who approved it: it never may more than they.
    vouched_by uuid references identity.user,
    -- The moment of the last challenge that it answered: an older one counts no more.
    answered_at timestamptz,
    seen_at timestamptz,
    app_version text check (length(app_version) <= 40),
    battery smallint check (battery between 0 and 100),
    queue_length int check (queue_length >= 0),
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id)
) with (fillfactor = 80);

-- A code that a manager shows to one device. Kept as a hash, good for one use.
create table identity.device_pairing (
    venue_id uuid not null references identity.venue,
    code_hash bytea not null,
    profile text not null check (profile in ('scanner', 'kiosk', 'monitor', 'till')),
    name text check (length(name) between 1 and 120),
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (venue_id, code_hash)
);

call log.guard('identity.device');
call log.guard('identity.device_pairing');
-- Whoever knows a code finds the venue that it was made in.
create policy code on identity.device_pairing for select to rowlock_app
    using (encode(code_hash, 'hex') = (select current_setting('app.pairing', true)));

grant select, insert, update on identity.device, identity.device_pairing to rowlock_app, rowlock_job;
grant delete on identity.device_pairing to rowlock_job;
