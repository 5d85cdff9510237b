-- The ceiling of a hold: one statement that leaves the same rows behind as the product's write.
-- It locks the seats and looks at nothing else: what another transaction did to *other* rows (the
-- claims) while this one waited, a single statement with its one snapshot would not see. Here no two
-- draw the same seats, and the unique index is the wall; the product has to look, so it can't be this.
-- Seats by number: without statistics across columns PostgreSQL would look for labels from the first
-- to the last seat of the show. Runs as superuser: no row-level security, no timeouts.
--
-- Which seats: every pair of neighbours once, in an order that looks random. Two of the same would
-- meet at the unique index, which ends pgbench; running out of seats ends the benchmark.
\set n :n + 1
\set pair permute(:n * :clients + :client_id, :pairs, :seed)
\set show :pair / 100
\set row (:pair % 100) / 5 + 1
\set left (:pair % 5) * 2 + 1
\set right :left + 1
\set seat (:row - 1) * 10 + :left
\set next :seat + 1
-- Sixteen digits that rise with time, for ids that do so as well, as UUIDv7 does.
\set id 1000000000000000 + :n * 1000 + :client_id
with place as materialized (
    select venue_id, show_id, user_id from bench.show where n = :show
), locked as materialized (
    select s.seat, s.label, s.price from booking.seat s
    where s.venue_id = (select venue_id from place) and s.show_id = (select show_id from place)
      and s.seat between :seat and :next
    order by s.seat for update
), made as (
    insert into booking.hold (venue_id, id, show_id, user_id, token_hash, seats, total,
                              status, expires_at, ends_at, created_at)
    select venue_id, (:id::text || 'a000000000000001')::uuid, show_id, user_id,
           '\x5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8', l.seats, l.total,
           'live', now() + interval '2 minutes', now() + interval '15 minutes', now()
    from place, (select array_agg(seat) as seats, sum(price) as total from locked having count(*) = 2) l
    returning venue_id, id, show_id, user_id, seats, expires_at
), claimed as (
    insert into booking.claim (venue_id, show_id, seat, hold_id, expires_at)
    select venue_id, show_id, unnest(seats), id, expires_at from made
    returning seat
), keyed as (
    insert into log.once (venue_id, actor, key, route, body_hash, status, answer)
    select venue_id, user_id, '8f14e45f-ceea-467a-' || :id::text,
           'POST /api/v1/venues/01980000-0000-7000-8000-000000000001/shows/01980000-0000-7000-8000-000000000002/holds',
           '\x5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8', 201,
           '{"id":"01980000-0000-7000-8000-000000000003","showId":"01980000-0000-7000-8000-000000000002","token":"yJ5tCbs3Sxq1rVh0m2a7Lw","seats":[{"id":"12-3","category":"standard","price":{"amount":4500,"currency":"EUR"}},{"id":"12-4","category":"standard","price":{"amount":4500,"currency":"EUR"}}],"price":{"amount":9000,"currency":"EUR"},"expiresAt":"2027-01-01T19:02:00.000000Z","endsAt":"2027-01-01T19:15:00.000000Z"}'
    from made
    returning key
), head as (
    -- Last, as in the product: the head is one row per venue, and everything else happens before it.
    update log.venue_head
    set seq = seq + 1, prev_at = at, at = greatest(clock_timestamp(), at + interval '1 microsecond')
    where venue_id = (select venue_id from place)
      and (select count(*) from claimed) = 2 and (select count(*) from keyed) = 1
    returning venue_id, seq, at
)
insert into log.venue_event
    (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
select head.venue_id, head.seq, head.at, 1, 'seats_updated', 'show', place.show_id, 0, 'held',
       place.user_id,
       '{"showId":"01980000-0000-7000-8000-000000000002","seats":[{"id":"12-3","status":"held"},{"id":"12-4","status":"held"}]}'
from head, place
returning seq, at;
