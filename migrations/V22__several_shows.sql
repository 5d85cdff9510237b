-- Holds of several shows that stand and fall together: the same customer, the same secret, the
-- same time.
alter table booking.hold add column bundle_id uuid;
create index hold_bundle on booking.hold (venue_id, bundle_id) where bundle_id is not null;
