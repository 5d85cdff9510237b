-- A layout that is changed while seats are sold moves ranks and places in one statement; a unique
-- index would compare row by row on the way.
drop index booking.seat_best;
create index seat_best on booking.seat (venue_id, show_id, block_rank, place);
