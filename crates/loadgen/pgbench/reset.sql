-- Before every run: only history, fresh statistics, nothing left to be written.
truncate booking.claim, booking.booking, booking.waiting, booking.hold, log.once, log.venue_event;
-- The history was right once: without the foreign keys' checks it is back in a fraction of the time.
set session_replication_role = replica;
insert into booking.hold (venue_id, id, show_id, user_id, token_hash, seats, total, status,
                          expires_at, ends_at, created_at)
    select venue_id, id, show_id, user_id, token_hash, seats, total, status, expires_at, ends_at,
           created_at
    from bench.hold;
insert into booking.booking (venue_id, id, show_id, hold_id, code, user_id, customer_name,
                             customer_email, seats, labels, total, currency, status, created_at)
    select venue_id, booking_id, show_id, id, 'P-' || left(booking_id::text, 13), user_id, 'Ana Lopes',
           'ana@example.org', seats, seats::text[], total, 'EUR', 'confirmed', created_at
    from bench.hold;
insert into booking.claim (venue_id, show_id, seat, hold_id, booking_id)
    select venue_id, show_id, seat, hold_id, booking_id from bench.claim;
insert into log.once (venue_id, actor, key, route, body_hash, status, answer)
    select venue_id, actor, key, route, body_hash, 201, answer from bench.once;
reset session_replication_role;
vacuum analyze booking.claim;
vacuum analyze booking.booking;
vacuum analyze booking.hold;
vacuum analyze booking.seat;
vacuum analyze log.once;
vacuum analyze log.venue_head;
checkpoint;
