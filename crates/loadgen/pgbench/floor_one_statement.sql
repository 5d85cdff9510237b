-- The ceiling of a move of a table: one statement that leaves the same rows behind as the product's
-- write, with its key and its event. It looks at nobody who sits there and at no reservation. Runs
-- as superuser: no row-level security, no timeouts.
\set n :n + 1
\set dining random(0, :tables - 1)
\set x random(0, 900)
\set y random(0, 900)
-- Sixteen digits that rise with time, for keys.
\set id 1000000000000000 + :seed * 100000000000 + :n * 1000 + :client_id
with place as materialized (
    select venue_id, table_id, user_id from bench.dining where n = :dining
), moved as (
    update floor.table t set x = :x, y = :y, version = t.version + 1
    from place p where t.venue_id = p.venue_id and t.id = p.table_id
    returning t.venue_id, t.id, t.version, p.user_id,
        json_build_object('id', t.id, 'name', t.name, 'x', t.x, 'y', t.y, 'width', t.width,
            'height', t.height, 'rotation', t.rotation, 'shape', t.shape, 'minSeats', t.min_seats,
            'maxSeats', t.max_seats, 'combinableWith', t.combinable_with,
            'walkInOnly', t.walk_in_only, 'status', t.status, 'version', t.version) as data
), keyed as (
    insert into log.once (venue_id, actor, key, route, body_hash, status, answer)
    select venue_id, user_id, '8f14e45f-ceea-467a-' || :id::text,
           'PATCH /api/v1/venues/01980000-0000-7000-8000-000000000001/tables/01980000-0000-7000-8000-000000000002',
           '\x5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8', 200, data::text
    from moved
    returning key
), head as (
    -- Last, as in the product: the head is one row per venue, and everything else happens before it.
    update log.venue_head
    set seq = seq + 1, prev_at = at, at = greatest(clock_timestamp(), at + interval '1 microsecond')
    where venue_id = (select venue_id from moved) and (select count(*) from keyed) = 1
    returning venue_id, seq, at
)
insert into log.venue_event
    (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
select head.venue_id, head.seq, head.at, 3, 'table_updated', 'table', moved.id, moved.version,
       'moved', moved.user_id, moved.data
from head, moved
returning seq, at;
