-- The ceiling of a claim: one statement that leaves the same rows behind as the product's write, the
-- key row and the events among them. It is the product's own statement with everything else put into
-- it. Runs as superuser: no row-level security, no timeouts, no look at who asks.
\set n :n + 1
\set t (:n * :clients + :client_id) % :therapists
with place_of as materialized (
    select venue_id, user_id from claims.therapist where n = :t
), locked as materialized (
    select t.venue_id, t.user_id, t.skills, t.turns, t.turn_at, t.version
    from spa.therapist t
    where t.venue_id = (select venue_id from place_of) and t.user_id = (select user_id from place_of)
      and t.order_id is null and t.began_at is not null and t.break_at is null
    for update of t
), me as materialized (
    -- The time after the lock was given.
    select venue_id, user_id, skills, turns, turn_at, version, interval '900 seconds' as lease,
        clock_timestamp() as now
    from locked
), ahead as materialized (
    select a.user_id, a.skills from spa.therapist a, me
    where a.venue_id = me.venue_id and a.user_id <> me.user_id and a.order_id is null
      and a.began_at is not null and a.break_at is null and a.ready_at > me.now - interval '300 s'
      and (a.turns, a.turn_at, a.user_id) < (me.turns, me.turn_at, me.user_id)
), next as materialized (
    select o.id, o.needs, o.skills, o.day, o.before_minutes + o.minutes as minutes, o.waiting_since,
        (select now from me) as now, (select lease from me) as lease
    from spa.order o
    where o.venue_id = (select venue_id from me) and o.status = 'pending_therapist'
      and exists (select from me)
      and exists (select from spa.room r where r.venue_id = (select venue_id from me)
        and r.order_id is null and not r.out_of_service and r.free_at <= (select now from me))
      and o.skills <@ (select skills from me)
      and case when o.requested_id is not null then false else not exists (select from ahead) end
      and (select true from spa.room r where r.venue_id = (select venue_id from me)
        and r.order_id is null and not r.out_of_service and r.free_at <= (select now from me)
        and o.needs <@ r.offers limit 1)
    order by o.line_at, o.id limit 1 for update of o skip locked
), place as materialized (
    select r.id from spa.room r
    where r.venue_id = (select venue_id from place_of) and r.order_id is null
      and not r.out_of_service and r.free_at <= (select now from next)
      and (select needs from next) <@ r.offers
    order by cardinality(r.offers), r.position, r.id limit 1 for update of r skip locked
), taken as (
    update spa.order o set status = 'therapist_confirmed', therapist_id = me.user_id,
        room_id = place.id, lease_until = next.now + next.lease, claimed_at = next.now,
        expected_end_at = next.now + next.minutes * interval '1 minute', reason = null,
        version = o.version + 1
    from me, next, place where o.venue_id = me.venue_id and o.id = next.id
), occupied as (
    update spa.room r set order_id = next.id, version = r.version + 1
    from me, next, place where r.venue_id = me.venue_id and r.id = place.id
), busy as (
    update spa.therapist t set order_id = next.id, ready_at = null, turns = t.turns + 1,
        turn_before = t.turn_at, turn_at = next.now, version = t.version + 1
    from me, next, place where t.venue_id = me.venue_id and t.user_id = me.user_id
), stayed as (
    insert into spa.stay (venue_id, id, order_id, room_id, therapist_id, room_during,
        therapist_during)
    select me.venue_id, gen_random_uuid(), next.id, place.id, me.user_id,
        tstzrange(next.now, null), tstzrange(next.now, null)
    from me, next, place
), turned as (
    insert into spa.turn (venue_id, id, day, at, therapist_id, what, order_id, turns, turn_at, why)
    select me.venue_id, gen_random_uuid(), next.day, next.now, me.user_id, 'took', next.id,
        me.turns + 1, next.now, json_build_object('ahead', array(select user_id from ahead),
        'waitedSecs', extract(epoch from next.now - next.waiting_since)::bigint)
    from me, next, place
), keyed as (
    insert into log.once (venue_id, actor, key, route, body_hash, status, answer, version)
    select me.venue_id, me.user_id, gen_random_uuid()::text,
        'POST /api/v1/venues/01980000-0000-7000-8000-000000000001/queue/therapist/next',
        '\x5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8', 200, repeat('a', 900), 2
    from me, next, place
    returning key
), head as (
    -- Last, as in the product: the head is one row per venue, and everything else happens before it.
    update log.venue_head h
    set seq = seq + 2, prev_at = at, at = greatest(clock_timestamp(), at + interval '1 microsecond')
    from me, next, place
    where h.venue_id = me.venue_id and (select count(*) from keyed) = 1
    returning h.venue_id, h.seq, h.at
)
insert into log.venue_event
    (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
select head.venue_id, head.seq - 2 + e.n, head.at, e.topic, 'order_claimed', 'order', next.id, 2,
    'claimed', me.user_id, e.data
from head, me, next,
    (values (1, 2822, ('{"id":"' || repeat('d', 800) || '"}')::json),
            (2, 8, '{"code":"A-0001","status":"therapist_confirmed","room":"R17","calls":0,"version":2}'::json))
        as e (n, topic, data);
