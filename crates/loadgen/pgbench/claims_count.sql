-- What a run has really done: claims, different orders among them, and the events of claims: a
-- therapist who got nobody stands by, which is an event as well.
select (select count(*) from spa.stay), (select count(distinct order_id) from spa.stay),
       (select count(*) from log.venue_event where type = 'order_claimed');
