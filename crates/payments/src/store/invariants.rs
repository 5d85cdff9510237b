//! The promises about money, computed again from the rows that were only added.

use pg::check::Check;

pg::statements! {
    BILL_SUMS = "with sums as (
            select b.venue_id, b.kind, b.id, b.due, b.discount, b.paid, b.pending, b.refunded,
                coalesce((select sum((line->'amount'->>'amount')::bigint)
                    from json_array_elements(b.lines) line), 0) as lines,
                coalesce((select sum(d.amount) from payments.discount d
                    where d.venue_id = b.venue_id and d.kind = b.kind and d.subject_id = b.id), 0)
                    as discounts,
                coalesce(m.paid, 0) as was_paid, coalesce(m.pending, 0) as is_pending,
                coalesce(m.refunded, 0) as was_refunded
            from payments.bill b
            left join (
                select p.venue_id, p.kind, p.subject_id,
                    sum(p.amount) filter (where o.status = 'succeeded' and not coalesce(r.voided, false))
                        as paid,
                    sum(p.amount) filter (where o.status is null) as pending,
                    sum(r.refunded) as refunded
                from payments.payment p
                left join payments.outcome o on o.venue_id = p.venue_id and o.payment_id = p.id
                left join (
                    select r.venue_id, r.payment_id,
                        bool_or(r.kind = 'void' and x.status = 'succeeded') as voided,
                        sum(r.amount) filter (where r.kind = 'refund'
                            and x.status is distinct from 'failed' and b.refund_id is null)
                            as refunded
                    from payments.refund r
                    left join payments.refund_outcome x
                        on x.venue_id = r.venue_id and x.refund_id = r.id
                    left join payments.refund_bounce b
                        on b.venue_id = r.venue_id and b.refund_id = r.id
                    group by r.venue_id, r.payment_id) r
                    on r.venue_id = p.venue_id and r.payment_id = p.id
                group by p.venue_id, p.kind, p.subject_id) m
                on m.venue_id = b.venue_id and m.kind = b.kind and m.subject_id = b.id
            where ($1::uuid is null or b.venue_id = $1))
        select venue_id, kind || ' ' || id as id,
            format('due %s of lines %s, discount %s of %s, paid %s of %s, pending %s of %s, refunded %s of %s',
                due, lines, discount, discounts, paid, was_paid, pending, is_pending, refunded,
                was_refunded) as detail
        from sums
        where $3::bigint is not null and (due <> lines or discount > discounts or paid <> was_paid
            or pending <> is_pending or refunded <> was_refunded)
        order by id limit $2";
    SETTLED_IS_PAID = "select venue_id, kind || ' ' || id as id,
            format('it is %s: %s of %s paid', status, paid, due - discount) as detail
        from payments.bill
        where ($1::uuid is null or venue_id = $1) and $3::bigint is not null
          and ((status = 'settled') <> (paid = due - discount and pending = 0) and status <> 'closed'
               or paid + pending > due - discount)
        order by id limit $2";
    REFUNDS_WITHIN = "select p.venue_id, p.id::text as id,
            format('%s and tip %s went back of %s and tip %s', p.back_amount, p.back_tip, p.amount, p.tip)
                as detail
        from payments.payment_state p
        where ($1::uuid is null or p.venue_id = $1) and $3::bigint is not null
          and (p.back_amount > p.amount or p.back_tip > p.tip
               or p.back_amount + p.back_tip > 0 and p.outcome is distinct from 'succeeded')
        order by id limit $2";
    // It may have been made good with another payment's money, so it is not more than either.
    OWED_IS_LEFT = "with money as (
            select p.venue_id, p.kind, p.subject_id, sum(p.amount - p.back_amount) as unreturned,
                coalesce(sum(f.failed), 0) as failed
            from payments.payment_state p
            left join lateral (
                select sum(r.amount) as failed from payments.refund_state r
                where r.venue_id = p.venue_id and r.payment_id = p.id and r.status = 'failed') f
                on true
            where p.outcome = 'succeeded' and ($1::uuid is null or p.venue_id = $1)
            group by p.venue_id, p.kind, p.subject_id)
        select b.venue_id, b.kind || ' ' || b.id as id,
            format('%s owed; %s of what was taken is there, and %s did not go back', b.owed,
                coalesce(m.unreturned, 0), coalesce(m.failed, 0)) as detail
        from payments.bill b
        left join money m on m.venue_id = b.venue_id and m.kind = b.kind and m.subject_id = b.id
        where ($1::uuid is null or b.venue_id = $1) and $3::bigint is not null
          and b.owed > greatest(least(coalesce(m.unreturned, 0), coalesce(m.failed, 0)), 0)
        order by id limit $2";
    RECEIPTS_DENSE = "with numbers as (
            select venue_id, count(*) as receipts, max(number) as last from payments.receipt
            where $1::uuid is null or venue_id = $1 group by venue_id)
        select venue_id, venue_id::text as id,
            format('%s receipts, the last has %s, the counter says %s', coalesce(n.receipts, 0),
                coalesce(n.last, 0), coalesce(c.receipts, 0)) as detail
        from payments.counter c full join numbers n using (venue_id)
        where ($1::uuid is null or venue_id = $1) and $3::bigint is not null
          and (coalesce(n.receipts, 0) <> coalesce(c.receipts, 0)
               or coalesce(n.last, 0) <> coalesce(c.receipts, 0))
        order by id limit $2";
    MONEY_HAS_RECEIPT = "with ended as (
            select venue_id, payment_id as id, receipt from payments.outcome
            where status = 'succeeded' and ($1::uuid is null or venue_id = $1)
            union all
            select venue_id, refund_id, receipt from payments.refund_outcome
            where status = 'succeeded' and ($1::uuid is null or venue_id = $1)
            union all
            select venue_id, refund_id, receipt from payments.refund_bounce
            where $1::uuid is null or venue_id = $1)
        select e.venue_id, e.id::text as id, format('there is no receipt %s for it', e.receipt) as detail
        from ended e
        left join payments.receipt r on r.venue_id = e.venue_id and r.number = e.receipt
            and coalesce(r.payment_id, r.refund_id, r.bounce_id) = e.id
        where r.number is null and $3::bigint is not null
        order by id limit $2";
    DRAWER_IS_PAYMENTS = "with cash as (
            select d.venue_id, d.id, c.expected,
                d.float
                + coalesce((select sum(p.amount + p.tip) from payments.payment p
                    where p.venue_id = d.venue_id and p.drawer_id = d.id), 0)
                + coalesce((select sum(case m.kind when 'in' then m.amount else -m.amount end)
                    from payments.drawer_move m
                    where m.venue_id = d.venue_id and m.drawer_id = d.id), 0)
                - coalesce((select sum(r.amount + r.tip)
                    from payments.refund_outcome x
                    join payments.refund r on r.venue_id = x.venue_id and r.id = x.refund_id
                    where x.venue_id = d.venue_id and x.drawer_id = d.id
                      and x.status = 'succeeded'), 0) as moved,
                d.status
            from payments.drawer d
            left join payments.drawer_close c on c.venue_id = d.venue_id and c.drawer_id = d.id
            where $1::uuid is null or d.venue_id = $1)
        select venue_id, id::text as id,
            format('it is %s with %s expected, and %s came and went', status, expected, moved) as detail
        from cash
        where $3::bigint is not null and ((status = 'closed') <> (expected is not null)
            or expected <> moved)
        order by id limit $2";
    VOUCHER_BALANCE = "with moved as (
            select v.venue_id, v.id, v.worth, v.balance,
                coalesce((select sum(p.amount + p.tip) from payments.payment p
                    where p.venue_id = v.venue_id and p.voucher_id = v.id), 0) as redeemed,
                coalesce((select sum(r.amount + r.tip)
                    from payments.payment p
                    join payments.refund r on r.venue_id = p.venue_id and r.payment_id = p.id
                    join payments.refund_outcome x on x.venue_id = r.venue_id and x.refund_id = r.id
                        and x.status = 'succeeded'
                    where p.venue_id = v.venue_id and p.voucher_id = v.id), 0) as given_back
            from payments.voucher v where $1::uuid is null or v.venue_id = $1)
        select venue_id, id::text as id,
            format('%s left of %s, %s redeemed, %s given back', balance, worth, redeemed, given_back)
                as detail
        from moved where $3::bigint is not null and balance <> worth - redeemed + given_back
        order by id limit $2";
    // Whatever waits for a provider is on the list of what it is asked.
    NOBODY_ASKS = "with waiting as (
            select p.venue_id, p.id, 'a card payment' as what from payments.payment_state p
            where p.outcome is null and ($1::uuid is null or p.venue_id = $1)
            union all
            select r.venue_id, r.id, 'a refund' from payments.refund_state r
            where r.status = 'pending' and r.method = 'card'
              and ($1::uuid is null or r.venue_id = $1))
        select w.venue_id, w.id::text as id, format('%s is pending and nobody asks', w.what) as detail
        from waiting w
        left join payments.errand e on e.venue_id = w.venue_id and e.id = w.id
        where e.id is null and $3::bigint is not null
        order by id limit $2";
    STUCK = "select e.venue_id, e.id::text as id,
            format('%s tries since %s: %s', e.tries, e.created_at, e.last_error) as detail
        from payments.errand e
        where ($1::uuid is null or e.venue_id = $1)
          and e.created_at < clock_timestamp() + make_interval(secs => $3::bigint / 1e6)
              - case when e.refund_reference is null then interval '2 hours'
                else interval '30 days' end
        order by id limit $2";
    ONE_CURRENCY = "select p.venue_id, p.id::text as id,
            format('%s for a bill in %s', p.currency, b.currency) as detail
        from payments.payment p
        left join payments.bill b on b.venue_id = p.venue_id and b.kind = p.kind
            and b.id = p.subject_id
        where ($1::uuid is null or p.venue_id = $1) and $3::bigint is not null
          and b.currency is distinct from p.currency
        order by id limit $2";
}

const fn check(name: &'static str, promise: &'static str, sql: &'static str) -> Check {
    Check { name, promise, sql }
}

/// What is promised about money.
pub const CHECKS: &[Check] = &[
    check("payments.bill_sums", "A bill's sums are those of its lines and payments", BILL_SUMS),
    check("payments.settled_is_paid", "A bill is settled when it is paid, once", SETTLED_IS_PAID),
    check("payments.refunds_within", "No more goes back than was paid", REFUNDS_WITHIN),
    check("payments.owed_is_left", "What is owed is what did not go back", OWED_IS_LEFT),
    check("payments.receipts_dense", "Receipts are numbered without gaps", RECEIPTS_DENSE),
    check("payments.money_has_receipt", "Whatever moved has its receipt", MONEY_HAS_RECEIPT),
    check("payments.drawer_is_payments", "A drawer holds what was put into it", DRAWER_IS_PAYMENTS),
    check("payments.voucher_balance", "A voucher has left what was not redeemed", VOUCHER_BALANCE),
    check("payments.nobody_waits_for_nothing", "Whatever is pending is asked about", NOBODY_ASKS),
    check(
        "payments.providers_answer",
        "Providers answer within two hours, banks in a month",
        STUCK,
    ),
    check("payments.one_currency", "A payment is in the currency of its bill", ONE_CURRENCY),
];
