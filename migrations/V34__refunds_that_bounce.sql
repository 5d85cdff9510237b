-- Money that a bank sent back after its provider had said that the customer has it. The refund and its
-- receipt stay as they were; this is what happened next.
create table payments.refund_bounce (
    venue_id uuid not null,
    refund_id uuid not null,
    receipt bigint not null,
    -- The provider's name for the refund, and its words.
    reference text,
    reason text not null,
    at timestamptz not null,
    day date not null,
    constraint refund_bounce_pkey primary key (venue_id, refund_id),
    -- Only what had ended can come back.
    foreign key (venue_id, refund_id) references payments.refund_outcome
);
create index refund_bounce_of_day on payments.refund_bounce (venue_id, day);
call log.guard('payments.refund_bounce');
grant select, insert on payments.refund_bounce to rowlock_app, rowlock_job;

-- It has a receipt of its own, because the venue has the money again.
alter table payments.receipt
    add column bounce_id uuid,
    add constraint receipt_of_bounce unique (venue_id, bounce_id),
    add foreign key (venue_id, bounce_id) references payments.refund_bounce,
    drop constraint receipt_of_one,
    add constraint receipt_of_one check (num_nonnulls(payment_id, refund_id, bounce_id) = 1);

-- What was to go back and did not, until it is sent again: kept beside the rows that say so.
alter table payments.bill add column owed bigint not null default 0
    constraint bill_owed check (owed >= 0);
grant update (owed) on payments.bill to rowlock_app, rowlock_job;

create or replace view payments.payment_state with (security_invoker = true) as
    select p.venue_id, p.id, p.kind, p.subject_id, p.method, p.amount, p.tip, p.tendered, p.change,
           p.currency::text as currency, p.drawer_id, p.voucher_id, p.provider, p.taken_by,
           p.taken_at, p.day, o.status as outcome, o.receipt, o.reference, o.reason,
           back.amount as back_amount, back.tip as back_tip, back.under_way, back.voided
    from payments.payment p
    left join payments.outcome o on o.venue_id = p.venue_id and o.payment_id = p.id
    cross join lateral (
        select coalesce(sum(r.amount) filter (where stays), 0)::bigint as amount,
               coalesce(sum(r.tip) filter (where stays), 0)::bigint as tip,
               count(*) filter (where x.status is null) as under_way,
               -- The bill does not count it any more, wherever the money is.
               coalesce(bool_or(r.kind = 'void' and x.status = 'succeeded'), false) as voided
        from payments.refund r
        left join payments.refund_outcome x on x.venue_id = r.venue_id and x.refund_id = r.id
        left join payments.refund_bounce b on b.venue_id = r.venue_id and b.refund_id = r.id
        cross join lateral (
            select x.status is distinct from 'failed' and b.refund_id is null as stays) s
        where r.venue_id = p.venue_id and r.payment_id = p.id) back;

create or replace view payments.refund_state with (security_invoker = true) as
    select r.venue_id, r.id, r.payment_id, r.kind,
           case when b.refund_id is not null then 'failed' else coalesce(x.status, 'pending') end
               as status,
           r.amount, r.tip, r.reason, coalesce(b.receipt, x.receipt) as receipt, r.made_by,
           r.approved_by as decided_by, r.made_at, p.method, p.currency::text as currency,
           p.kind as subject_kind, p.subject_id, coalesce(b.reason, x.reason) as failure
    from payments.refund r
    join payments.payment p on p.venue_id = r.venue_id and p.id = r.payment_id
    left join payments.refund_outcome x on x.venue_id = r.venue_id and x.refund_id = r.id
    left join payments.refund_bounce b on b.venue_id = r.venue_id and b.refund_id = r.id
    union all
    select q.venue_id, q.id, q.payment_id, q.kind,
           case when d.approved is null then 'waiting' else 'denied' end, q.amount, q.tip, q.reason,
           null, q.asked_by, d.decided_by, q.asked_at, p.method, p.currency::text, p.kind,
           p.subject_id, null
    from payments.refund_request q
    join payments.payment p on p.venue_id = q.venue_id and p.id = q.payment_id
    left join payments.refund_decision d on d.venue_id = q.venue_id and d.request_id = q.id
    where d.approved is not true;

-- A cancelled booking whose money could not be given back is owed it.
create or replace view booking.bill with (security_invoker = true) as
    select venue_id, id, status, due - discount as due, paid, pending, refunded, owed
    from payments.bill where kind = 'booking';
