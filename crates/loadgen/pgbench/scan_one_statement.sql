-- The ceiling of a scan: one statement that leaves the same rows behind as the product's. It looks at
-- nothing but the ticket: who scans, whether they may, and which rules count, it takes for granted.
-- Runs as superuser: no row-level security, no timeouts. Every ticket once, in an order that looks
-- random; running out of tickets is found by the count.
\set n :n + 1
\set at permute(:n * :clients + :client_id, :tickets, :seed)
with place as materialized (
    select venue_id, show_id, list_id, ticket_id, user_id from bench.ticket where n = :at
), moved as (
    update tickets.ticket t
    set status = 'admitted', entries = t.entries + 1, version = t.version + 1
    from place p
    where t.venue_id = p.venue_id and t.id = p.ticket_id and t.serial = 1 and t.paid
      and t.status in ('issued', 'sent')
    returning t.venue_id, t.id, t.version, t.number
), kept as (
    insert into tickets.scan (venue_id, nonce, scanner, show_id, ticket_id, list_id, kind, gate,
        verdict, reason, counts, user_id, address, agent, scanned_at, received_at, passed)
    select p.venue_id, gen_random_uuid(), p.user_id, p.show_id, p.ticket_id, p.list_id, 'entry',
           'North', 'admit', 'ok', true, p.user_id, '127.0.0.1', null, now(), now(), true
    from place p join moved m on m.id = p.ticket_id
    returning venue_id
), head as (
    -- Last, as in the product: the head is one row per venue, and everything else happens before it.
    update log.venue_head
    set seq = seq + 1, prev_at = at, at = greatest(clock_timestamp(), at + interval '1 microsecond')
    where venue_id = (select venue_id from place) and (select count(*) from kept) = 1
    returning venue_id, seq, at
)
insert into log.venue_event
    (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
select h.venue_id, h.seq, h.at, 5, 'ticket_verified', 'ticket', m.id, m.version, 'entry', p.user_id,
       '{"nonce":"01980000-0000-7000-8000-000000000001","showId":"01980000-0000-7000-8000-000000000002","ticketId":"01980000-0000-7000-8000-000000000003","listId":"01980000-0000-7000-8000-000000000004","kind":"entry","verdict":"admit","reason":"ok","gate":"North","userId":"01980000-0000-7000-8000-000000000005","offline": false,"number":"ABCD2345","scannedAt":"2027-01-01T19:02:00.000000Z"}'
from head h, moved m, place p
returning seq, at;
