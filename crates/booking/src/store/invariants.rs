//! The promises about seats, computed again.

use pg::check::Check;

pg::statements! {
    // From bookings and holds themselves, not from the claims that keep two from one seat.
    ONE_OWNER = "with owned as (
            select b.venue_id, b.show_id, s.seat, 'booking ' || b.id as owner
            from booking.booking b cross join unnest(b.seats) as s(seat)
            where (b.status = 'confirmed' or b.status = 'pending'
                   and b.pay_by > clock_timestamp() + make_interval(secs => $3::bigint / 1e6))
              and ($1::uuid is null or b.venue_id = $1)
            union all
            select h.venue_id, h.show_id, s.seat, 'hold ' || h.id
            from booking.hold h cross join unnest(h.seats) as s(seat)
            where h.status = 'live'
              and h.expires_at > clock_timestamp() + make_interval(secs => $3::bigint / 1e6)
              and ($1::uuid is null or h.venue_id = $1))
        select venue_id, show_id || ' ' || seat as id, string_agg(owner, ', ' order by owner) as detail
        from owned group by venue_id, show_id, seat having count(*) > 1
        order by id limit $2";
    CLAIMS_MATCH = "select c.venue_id, c.show_id || ' ' || c.seat as id,
            format('claimed for %s, which does not have it',
                coalesce('booking ' || c.booking_id, 'hold ' || c.hold_id)) as detail
        from booking.claim c
        left join booking.booking b on b.venue_id = c.venue_id and b.id = c.booking_id
            and b.show_id = c.show_id and c.seat = any(b.seats)
            and b.status in ('pending', 'confirmed')
        left join booking.hold h on h.venue_id = c.venue_id and h.id = c.hold_id
            and h.show_id = c.show_id and c.seat = any(h.seats)
        where ($1::uuid is null or c.venue_id = $1)
          and (c.booking_id is not null and b.id is null
               or c.booking_id is null and h.id is null
                  and c.expires_at > clock_timestamp() + make_interval(secs => $3::bigint / 1e6))
        order by id limit $2";
    BOOKINGS_CLAIM = "select b.venue_id, b.id::text as id,
            format('nothing claims its seat %s of show %s', s.seat, b.show_id) as detail
        from booking.booking b cross join unnest(b.seats) as s(seat)
        left join booking.claim c on c.venue_id = b.venue_id and c.show_id = b.show_id
            and c.seat = s.seat and c.booking_id = b.id
        where ($1::uuid is null or b.venue_id = $1) and c.seat is null
          and (b.status = 'confirmed' or b.status = 'pending'
               and b.pay_by > clock_timestamp() + make_interval(secs => $3::bigint / 1e6))
        order by id limit $2";
    HOLDS_EXPIRE = "select h.venue_id, h.id::text as id,
            format('it is live and was over at %s', h.expires_at) as detail
        from booking.hold h
        where ($1::uuid is null or h.venue_id = $1) and h.status = 'live'
          and h.expires_at < clock_timestamp() + make_interval(secs => $3::bigint / 1e6)
              - interval '2 minutes'
        order by id limit $2";
    SEATS_OF_VENUE = "select b.venue_id, b.id::text as id,
            format('its show %s or its seat %s is not of this venue', b.show_id, s.seat) as detail
        from booking.booking b cross join unnest(b.seats) as s(seat)
        left join booking.seat t on t.venue_id = b.venue_id and t.show_id = b.show_id
            and t.seat = s.seat
        where ($1::uuid is null or b.venue_id = $1) and $3::bigint is not null
          and b.status = 'confirmed' and t.seat is null
        order by id limit $2";
    // What was paid for a booking that is over is on its way back, or about to be by the sweep.
    PAID_IS_GIVEN = "select l.venue_id, l.id::text as id,
            format('%s of %s paid, %s given back, %s owed, and the booking is %s', l.paid, l.due,
                l.refunded, l.owed, coalesce(b.status, 'not there')) as detail
        from booking.bill l left join booking.booking b on b.venue_id = l.venue_id and b.id = l.id
        where ($1::uuid is null or l.venue_id = $1) and $3::bigint is not null
          and (l.status = 'settled' and b.status is distinct from 'confirmed' and b.sweep_at is null
               or l.status = 'closed' and l.refunded + l.owed < l.paid)
        order by id limit $2";
    CONFIRMED_IS_PAID = "select b.venue_id, b.id::text as id,
            format('it is confirmed and its bill is %s', coalesce(l.status, 'not there')) as detail
        from booking.booking b
        left join booking.bill l on l.venue_id = b.venue_id and l.id = b.id
        where ($1::uuid is null or b.venue_id = $1) and $3::bigint is not null
          and b.status = 'confirmed' and b.pay_by is not null
          and l.status is distinct from 'settled'
        order by id limit $2";
    BOOKINGS_SWEPT = "select b.venue_id, b.id::text as id,
            format('it is %s and was to be swept at %s', b.status, b.sweep_at) as detail
        from booking.booking b
        where ($1::uuid is null or b.venue_id = $1)
          and b.sweep_at < clock_timestamp() + make_interval(secs => $3::bigint / 1e6)
              - interval '2 minutes'
        order by id limit $2";
}

const fn check(name: &'static str, promise: &'static str, sql: &'static str) -> Check {
    Check { name, promise, sql }
}

/// What is promised about seats.
pub const CHECKS: &[Check] = &[
    check("booking.one_owner", "A seat has at most one live hold or booking", ONE_OWNER),
    check("booking.claims_match", "Whoever claims a seat has it", CLAIMS_MATCH),
    check("booking.bookings_claim", "Whoever has booked a seat claims it", BOOKINGS_CLAIM),
    check(
        "booking.holds_expire",
        "Holds that are over are marked within two minutes",
        HOLDS_EXPIRE,
    ),
    check("booking.seats_of_venue", "A booking's seats are of its own venue", SEATS_OF_VENUE),
    check(
        "booking.paid_is_given",
        "Whoever has paid for a booking has its seats, or the money goes back",
        PAID_IS_GIVEN,
    ),
    check(
        "booking.confirmed_is_paid",
        "A booking with a bill is confirmed when it is paid",
        CONFIRMED_IS_PAID,
    ),
    check(
        "booking.bookings_swept",
        "Bookings that are over are seen to within two minutes",
        BOOKINGS_SWEPT,
    ),
];
