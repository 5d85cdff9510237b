-- Shows whose bookings are paid, and what a booking is until then.
alter table booking.show
    add column payment text not null default 'none'
        check (payment in ('none', 'required')),
    -- How long a booking waits for its money.
    add column pay_secs int not null default 900 check (pay_secs between 60 and 259200);

alter table booking.booking
    -- Until then a pending booking has its seats. It stays with a booking that was paid: whatever
    -- has it has a bill.
    add column pay_by timestamptz,
    -- When the sweep looks at the booking and its bill; nothing when neither waits for anything.
    add column sweep_at timestamptz,
    add constraint booking_pending_has_an_end
        check (status <> 'pending' or (pay_by is not null and sweep_at is not null));
create index booking_sweep on booking.booking (sweep_at) where sweep_at is not null;
-- What a customer keeps from others without having paid is counted.
create index booking_unpaid on booking.booking (venue_id, user_id) where status = 'pending';

-- A pending booking's claim ends, as a hold's does: past it the seat is free, whether or not
-- somebody has swept. A confirmed one's and a guest's have no end.
alter table booking.claim drop constraint claim_one_owner,
    add constraint claim_one_owner check (
        (guest_id is null and booking_id is null and hold_id is not null and expires_at is not null)
        or (guest_id is null and booking_id is not null)
        or (guest_id is not null and booking_id is null and hold_id is null
            and expires_at is null));

-- What the bills of bookings say, for the promises that stand between the two. Row-level security
-- of the table below it counts.
create view booking.bill with (security_invoker = true) as
    select venue_id, id, status, due - discount as due, paid, pending, refunded
    from payments.bill where kind = 'booking';
grant select on booking.bill to rowlock_app, rowlock_job;
