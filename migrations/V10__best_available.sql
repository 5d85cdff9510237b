-- Where a seat is, for those who ask for the best available ones: the rank of its block (best
-- first), its place in the block, and how far it is from where one sees best.
alter table booking.seat
    add column block_rank int not null default 0,
    add column place int not null default 0,
    add column off_focus int not null default 0,
    -- Any seat of the block is as good as its neighbour: a round table, a standing area.
    add column loose boolean not null default false;

-- The owner is bound by row-level security as well and would see no row to fill.
alter table booking.seat no force row level security;
update booking.seat s set block_rank = r.block_rank, place = r.place
from (select venue_id, show_id, seat,
             dense_rank() over (partition by venue_id, show_id order by first) as block_rank,
             row_number() over (partition by venue_id, show_id, first order by seat) as place
      from (select venue_id, show_id, seat,
                   min(seat) over (partition by venue_id, show_id, block) as first
            from booking.seat) f) r
where (s.venue_id, s.show_id, s.seat) = (r.venue_id, r.show_id, r.seat);
alter table booking.seat force row level security;

-- In this order free seats are looked for, a few blocks at a time.
create unique index seat_best on booking.seat (venue_id, show_id, block_rank, place);

-- A whole table may have more seats than a hold of single seats.
alter table booking.hold drop constraint hold_seats_check,
    add constraint hold_seats_check check (cardinality(seats) between 1 and 100);
alter table booking.booking drop constraint booking_seats_check,
    add constraint booking_seats_check check (cardinality(seats) between 1 and 100);
