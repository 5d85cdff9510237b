//! The promises about orders, rooms and claims, computed again from the rows.

use pg::check::Check;

pg::statements! {
    TOTALS = "select o.venue_id, o.id::text as id,
            format('%s says %s and %s minutes, its items %s and %s', o.code, o.total, o.minutes,
                coalesce(i.total, 0), coalesce(i.minutes, 0)) as detail
        from spa.order o left join (
            select venue_id, order_id, sum(price) as total, sum(minutes) as minutes from spa.item
            where removed_at is null and ($1::uuid is null or venue_id = $1)
            group by venue_id, order_id) i on i.venue_id = o.venue_id and i.order_id = o.id
        where ($1::uuid is null or o.venue_id = $1) and $3::bigint is not null
          and (o.total <> coalesce(i.total, 0) or o.minutes <> coalesce(i.minutes, 0))
        order by o.id limit $2";
    // Whoever is claimed or treated has a therapist, a room and an open stay that say the same, and
    // nobody else has them.
    HELD_ONCE = "select o.venue_id, o.id::text as id,
            format('%s is %s: its therapist has %s, its room %s, open stays %s', o.code, o.status,
                t.order_id, r.order_id, s.open) as detail
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        cross join lateral (
            select count(*) as open from spa.stay s where s.venue_id = o.venue_id
              and s.order_id = o.id and upper_inf(s.therapist_during)) s
        where ($1::uuid is null or o.venue_id = $1) and $3::bigint is not null
          and case when o.status in ('therapist_confirmed', 'in_service')
              then t.order_id is distinct from o.id or r.order_id is distinct from o.id
                  or s.open <> 1
              else t.order_id = o.id or r.order_id = o.id or s.open <> 0 end
        order by o.id limit $2";
    HOLDERS = "select h.venue_id, h.id::text as id,
            format('it has the order %s, which is %s', h.order_id, coalesce(o.status, 'not there'))
                as detail
        from (select venue_id, id, order_id from spa.room where order_id is not null
              union all
              select venue_id, user_id, order_id from spa.therapist where order_id is not null) h
        left join spa.order o on o.venue_id = h.venue_id and o.id = h.order_id
        where ($1::uuid is null or h.venue_id = $1) and $3::bigint is not null
          and coalesce(o.status, '') not in ('therapist_confirmed', 'in_service')
        order by h.id limit $2";
    STAYS_APART = "select a.venue_id, a.id::text as id,
            format('it overlaps with %s, in room %s with therapist %s', b.id, a.room_id,
                a.therapist_id) as detail
        from spa.stay a join spa.stay b on b.venue_id = a.venue_id and b.id > a.id
          and (b.room_id = a.room_id and b.room_during && a.room_during
               or b.therapist_id = a.therapist_id and b.therapist_during && a.therapist_during)
        where ($1::uuid is null or a.venue_id = $1) and $3::bigint is not null
        order by a.id limit $2";
    CLAIMS_LEASED = "select o.venue_id, o.id::text as id,
            format('%s is %s, its lease ends at %s', o.code, o.status, o.lease_until) as detail
        from spa.order o
        where ($1::uuid is null or o.venue_id = $1)
          and (o.status in ('therapist_confirmed', 'awaiting_payment') and o.lease_until is null
               or o.status in ('pending_therapist', 'finished', 'paid', 'cancelled', 'no_show')
                  and o.lease_until is not null
               or o.lease_until < clock_timestamp() + $3::bigint * interval '1 microsecond'
                  - interval '30 seconds')
        order by o.id limit $2";
    CODES_ONCE = "select o.venue_id, min(o.id::text) as id,
            format('%s orders of %s have the code %s', count(*), o.day, o.code) as detail
        from spa.order o
        where ($1::uuid is null or o.venue_id = $1) and $3::bigint is not null
        group by o.venue_id, o.day, o.code having count(*) > 1
        order by id limit $2";
}

/// What this slice promises.
pub const CHECKS: &[Check] = &[
    Check {
        name: "spa.totals_are_items",
        promise: "An order costs and takes what its services do",
        sql: TOTALS,
    },
    Check {
        name: "spa.held_once",
        promise: "Whoever is claimed or treated has one therapist and one room, and nobody else has",
        sql: HELD_ONCE,
    },
    Check {
        name: "spa.holders_hold",
        promise: "A room or a therapist that has an order has one that is under way",
        sql: HOLDERS,
    },
    Check {
        name: "spa.stays_apart",
        promise: "A room is never shared, its turnover included, and a therapist never in two",
        sql: STAYS_APART,
    },
    Check {
        name: "spa.claims_leased",
        promise: "A claim has a lease, and one that is over is given back",
        sql: CLAIMS_LEASED,
    },
    Check { name: "spa.codes_once", promise: "A code is given once a day", sql: CODES_ONCE },
];
