-- What a run has really done: holds, bookings and claims beyond history.
select (select count(*) from booking.hold) - (select count(*) from bench.hold),
       (select count(*) from booking.booking) - (select count(*) from bench.hold),
       (select count(*) from booking.claim) - (select count(*) from bench.claim),
       (select count(*) from log.venue_event);
