-- Whether the bookings of a show come with tickets.
alter table booking.show add column tickets boolean not null default false;
