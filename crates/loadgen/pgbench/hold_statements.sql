-- A hold of two seats in the statements of the product's write path, one after the other:
-- pg/src/{tx,once,log}.rs and booking/src/store/. Keep it like them, or the ratio means nothing.
-- Runs as the workers' login with the workers' session settings.
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
-- The product has these from the request. pgbench has to ask: one cheap trip more.
select venue_id as venue, show_id as show_id, user_id as person from bench.show where n = :show \gset

-- packet begins
begin;
select set_config('app.venue_id', :venue, true), set_config('app.user_id', :person, true);
insert into log.once (venue_id, actor, key, route, body_hash)
    values (:venue, :person, '8f14e45f-ceea-467a-' || :id::text,
            'POST /api/v1/venues/01980000-0000-7000-8000-000000000001/shows/01980000-0000-7000-8000-000000000002/holds',
            '\x5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8')
    on conflict do nothing returning 1;
select u.active and (nullif(:n::text, :n::text)::uuid is null or d.id is not null) as active, m.role, d.profile
    from identity.user u
    left join identity.member m on m.venue_id = :venue and m.user_id = u.id and m.active
    left join identity.device d on d.venue_id = :venue and d.id = nullif(:n::text, :n::text)::uuid
        and d.vouched_by = u.id and d.status = 'approved' and m.role in ('owner', 'manager')
    where u.id = :person;
select seat, label, block, category, price, withheld, withheld_until, allocation, whole
    from booking.seat
    where venue_id = :venue and show_id = :show_id
      and label = any(array[:row::text || '-' || :left::text, :row::text || '-' || :right::text])
    order by seat for update;
select c.seat, c.hold_id, c.booking_id, c.expires_at
    from booking.seat s join booking.claim c using (venue_id, show_id, seat)
    where s.venue_id = :venue and s.show_id = :show_id
      and s.label = any(array[:row::text || '-' || :left::text, :row::text || '-' || :right::text]);
select s.id, s.name, s.description, s.starts_at, s.status, s.hold_secs, s.currency::text,
       s.seat_count, s.tickets, s.version,
       0 as live_holds
    from booking.show s where s.venue_id = :venue and s.id = :show_id;
select clock_timestamp() as at;
-- packet ends

-- packet begins
with made as (
    insert into booking.hold (venue_id, id, show_id, user_id, token_hash, seats, total,
                              status, expires_at, ends_at, created_at)
    values (:venue, (:id::text || 'a000000000000001')::uuid, :show_id, :person,
            '\x5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8',
            array[:seat::int, :next::int], 9000, 'live', now() + interval '2 minutes',
            now() + interval '15 minutes', now()))
insert into booking.claim (venue_id, show_id, seat, hold_id, expires_at)
    select :venue, :show_id, seat, (:id::text || 'a000000000000001')::uuid, now() + interval '2 minutes'
    from unnest(array[:seat::int, :next::int]) as seat;
update log.once set status = 201,
    answer = '{"id":"01980000-0000-7000-8000-000000000003","showId":"01980000-0000-7000-8000-000000000002","token":"yJ5tCbs3Sxq1rVh0m2a7Lw","seats":[{"id":"12-3","category":"standard","price":{"amount":4500,"currency":"EUR"}},{"id":"12-4","category":"standard","price":{"amount":4500,"currency":"EUR"}}],"price":{"amount":9000,"currency":"EUR"},"expiresAt":"2027-01-01T19:02:00.000000Z","endsAt":"2027-01-01T19:15:00.000000Z"}',
    version = null
    where venue_id = :venue and actor = :person and key = '8f14e45f-ceea-467a-' || :id::text;
with head as (
    update log.venue_head
    set seq = seq + cardinality(array[1]::smallint[]), prev_at = at,
        at = greatest(clock_timestamp(), at + interval '1 microsecond')
    where venue_id = :venue returning seq, at, prev_at
), logged as (
    insert into log.venue_event
        (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
    select :venue, head.seq - cardinality(array[1]::smallint[]) + e.n, head.at, e.topic, e.type, e.entity,
           e.entity_id, e.version, e.action, :person,
           case e.type when 'atomic_transaction_complete' then format('{"from":%s,"to":%s}',
               head.seq - cardinality(array[1]::smallint[]) + 1, head.seq - 1)::json else e.data end
    from head, unnest(array[1]::smallint[], array['seats_updated'], array['show'], array[:show_id::uuid],
                      array[0]::bigint[], array['held'],
                      array['{"showId":"01980000-0000-7000-8000-000000000002","seats":[{"id":"12-3","status":"held"},{"id":"12-4","status":"held"}]}']::json[])
         with ordinality as e(topic, type, entity, entity_id, version, action, data, n)
)
select seq, at, prev_at from head;
commit;
-- packet ends
