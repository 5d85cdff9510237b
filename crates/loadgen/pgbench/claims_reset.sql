-- Before every run: a line of so many orders, everybody free, fresh statistics.

\set rows ROWS
truncate spa.stay, spa.turn, spa.item, spa.order, log.once, log.venue_event;
update spa.room set order_id = null;
update spa.therapist set order_id = null, turns = 0, turn_at = now(), ready_at = null;
set session_replication_role = replica;
insert into spa.order (venue_id, id, day, code, token_hash, status, line_at, waiting_since, skills,
        needs, total, currency, before_minutes, minutes, after_minutes, created_at)
    select v.venue_id, gen_random_uuid(), current_date, 'A-' || lpad(n::text, 6, '0'), sha256(n::text::bytea),
        'pending_therapist', now() + n * interval '1 millisecond' - interval '1 hour', now(),
        array['thai'], array['bed'], 5000, 'EUR', 0, 60, 0, now()
    from (select distinct venue_id from claims.therapist) v, generate_series(1, :rows) n;
insert into spa.item (venue_id, id, order_id, variant_id, service, variant, skills, needs, price,
        before_minutes, minutes, after_minutes, added_at)
    select venue_id, gen_random_uuid(), id, id, 'Thai massage', '60 minutes', skills, needs, total,
        0, minutes, 0, created_at
    from spa.order;
reset session_replication_role;
vacuum analyze spa.order;
vacuum analyze spa.item;
vacuum analyze spa.stay;
vacuum analyze spa.therapist;
vacuum analyze spa.room;
vacuum analyze log.once;
vacuum analyze log.venue_head;
checkpoint;
