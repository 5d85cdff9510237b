with head as (
    update log.venue_head
    set seq = seq + :count, prev_at = at,
        at = greatest(clock_timestamp(), at + interval '1 microsecond')
    where venue_id = ':venue' returning seq, at
)
insert into log.venue_event
    (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
select ':venue', head.seq - :count + n, head.at, 0, 'seats_updated', 'show', ':venue', 0, 'held',
       ':venue', json_build_object('showId', ':venue', 'seats', json_build_array(
           json_build_object('id', 'A-1', 'status', 'held', 'padding', repeat('x', 40))))
from head, generate_series(1, :count) as n;
