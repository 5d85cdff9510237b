-- Everything that the checker compares: one letter says what a line is.
select 'head', venue_id, seq from log.venue_head;
select 'event', venue_id, seq, (extract(epoch from at) * 1000000)::bigint, topic & 255, type, action, entity_id
    from log.venue_event order by venue_id, seq;
select 'hold', venue_id, id, status from booking.hold;
select 'booking', venue_id, id, status, customer_name from booking.booking;
select 'guest', venue_id, id, status, guest_name from floor.guest;
-- Seats that belong to two at once.
select 'double', venue_id, show_id, seat, count(*)
    from (
        select venue_id, show_id, unnest(seats) as seat from booking.booking
        where status in ('pending', 'confirmed')
        union all
        select venue_id, show_id, unnest(seats) from booking.hold
        where status = 'live' and expires_at > now()
    ) as owner
    group by venue_id, show_id, seat having count(*) > 1;
-- Seats that somebody has without a claim, and claims that nobody has.
select 'stray', coalesce(c.venue_id, o.venue_id), coalesce(c.show_id, o.show_id), coalesce(c.seat, o.seat)
    from (select * from booking.claim where expires_at is null or expires_at > now()) as c
    full join (
        select venue_id, show_id, unnest(seats) as seat from booking.booking
        where status in ('pending', 'confirmed')
        union
        select venue_id, show_id, unnest(seats) from booking.hold
        where status = 'live' and expires_at > now()
    ) as o using (venue_id, show_id, seat)
    where c.seat is null or o.seat is null;
