-- Devices that fall silent or are refused, and what of a scan is forgotten.

-- Whether it was heard of lately: true with each report, false when the reports stop.
alter table identity.device add column online boolean not null default false;
create index device_online on identity.device (seen_at) where online;
-- When it tried last though nobody has approved it, or somebody has revoked it.
alter table identity.device add column refused_at timestamptz;
create index device_refused on identity.device (venue_id, refused_at) where refused_at is not null;

create or replace view tickets.scanner with (security_invoker = true) as
    select venue_id, id, name, status, revoked_at, refused_at from identity.device;

-- Up to when the scans of a venue have no address and no program any more.
alter table tickets.watch
    add column forgotten_until timestamptz not null default '2020-01-01T00:00:00Z';
