-- Money: bills, what was paid for them and given back, drawers, vouchers, receipts.
-- What happened is a row and stays one: the application may not update or delete those tables.
create schema payments;
grant usage on schema payments to rowlock_app, rowlock_job;

-- What the venue's settings say about money. Row-level security of the table below it counts.
create view payments.venue with (security_invoker = true) as
    select venue_id, name, currency::text as currency, time_zone from identity.venue;


-- Without a row the defaults count.
create table payments.settings (
    venue_id uuid primary key references identity.venue,
    rules json not null,
    version bigint not null default 1
);

-- Numbers without gaps. Locked last before the head of the log, so that a number that was given is
-- committed with its receipt, or given again.
create table payments.counter (
    venue_id uuid primary key references identity.venue,
    receipts bigint not null default 0,
    reports bigint not null default 0
) with (fillfactor = 50);

-- What is to be paid for a subject. The row is the lock: whoever moves its money takes it first.
-- The sums are kept beside the rows that they come from; `audit invariants` adds those up again.
create table payments.bill (
    venue_id uuid not null references identity.venue,
    kind text not null check (kind ~ '^[a-z_]{1,40}$'),
    id uuid not null,
    -- What people call it: Order A17.
    title text not null check (length(title) between 1 and 200),
    lines json not null,
    due bigint not null check (due >= 0),
    discount bigint not null default 0,
    -- Succeeded and not voided.
    paid bigint not null default 0 check (paid >= 0),
    -- Kept free for cards that are on their way, so that nobody pays it twice.
    pending bigint not null default 0 check (pending >= 0),
    refunded bigint not null default 0 check (refunded >= 0),
    currency char(3) not null,
    house_currency char(3) not null,
    status text not null default 'open' check (status in ('open', 'settled', 'closed')),
    -- Whoever has the secret pays for themselves.
    secret_hash bytea,
    version bigint not null default 1,
    opened_at timestamptz not null,
    primary key (venue_id, kind, id),
    constraint bill_in_house_currency check (currency = house_currency),
    constraint bill_discount check (discount between 0 and due),
    constraint bill_never_overpaid check (paid + pending <= due - discount),
    constraint bill_refunds_what_was_paid check (refunded <= paid),
    constraint bill_settled_is_paid check (status <> 'settled' or paid = due - discount)
) with (fillfactor = 70);

create table payments.discount (
    venue_id uuid not null,
    id uuid not null,
    kind text not null,
    subject_id uuid not null,
    amount bigint not null check (amount > 0),
    -- In hundredths of a percent, where it was given as a share.
    basis_points int check (basis_points between 1 and 10000),
    reason text not null check (length(reason) between 3 and 300),
    given_by uuid not null,
    given_at timestamptz not null,
    primary key (venue_id, id),
    foreign key (venue_id, kind, subject_id) references payments.bill
);
create index discount_of_bill on payments.discount (venue_id, kind, subject_id);

-- A till between two counts. Only its status changes.
create table payments.drawer (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 60),
    opened_by uuid not null,
    float bigint not null check (float >= 0),
    currency char(3) not null,
    day date not null,
    opened_at timestamptz not null,
    status text not null default 'open' check (status in ('open', 'closed')),
    primary key (venue_id, id)
);
-- A cashier has one open drawer, and a drawer one cashier.
create unique index drawer_of_cashier on payments.drawer (venue_id, opened_by)
    where status = 'open';

create table payments.drawer_move (
    venue_id uuid not null,
    id uuid not null,
    drawer_id uuid not null,
    kind text not null check (kind in ('in', 'out')),
    amount bigint not null check (amount > 0),
    reason text not null check (length(reason) between 3 and 300),
    made_by uuid not null,
    made_at timestamptz not null,
    primary key (venue_id, id),
    foreign key (venue_id, drawer_id) references payments.drawer
);
create index move_of_drawer on payments.drawer_move (venue_id, drawer_id);

create table payments.drawer_close (
    venue_id uuid not null,
    drawer_id uuid not null,
    -- The number of its Z report.
    report bigint not null,
    expected bigint not null,
    counted bigint not null check (counted >= 0),
    note text check (length(note) <= 300),
    closed_by uuid not null,
    closed_at timestamptz not null,
    day date not null,
    -- The Z report as it was then.
    figures json not null,
    primary key (venue_id, drawer_id),
    constraint drawer_close_report_key unique (venue_id, report),
    foreign key (venue_id, drawer_id) references payments.drawer
);

-- Money that was paid in before. The row is the lock of its balance.
create table payments.voucher (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    code_hash bytea not null,
    -- The last four characters of the code.
    hint text not null check (length(hint) = 4),
    worth bigint not null check (worth > 0),
    balance bigint not null,
    currency char(3) not null,
    reason text not null check (length(reason) between 3 and 300),
    expires_at timestamptz,
    issued_by uuid not null,
    issued_at timestamptz not null,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint voucher_code_key unique (venue_id, code_hash),
    constraint voucher_never_below_zero check (balance between 0 and worth)
) with (fillfactor = 70);

create table payments.payment (
    venue_id uuid not null,
    id uuid not null,
    kind text not null,
    subject_id uuid not null,
    method text not null check (method in ('cash', 'card', 'voucher')),
    -- What it pays of the bill; the tip comes on top.
    amount bigint not null check (amount > 0),
    tip bigint not null check (tip >= 0),
    tendered bigint,
    change bigint,
    currency char(3) not null,
    drawer_id uuid,
    voucher_id uuid,
    provider text,
    -- Absent for a customer who paid for themselves.
    taken_by uuid,
    taken_at timestamptz not null,
    -- The venue's business day.
    day date not null,
    primary key (venue_id, id),
    constraint payment_change check (
        case method when 'cash' then change >= 0 and tendered = amount + tip + change
        else tendered is null and change is null end),
    constraint payment_place check (
        (method = 'voucher') = (voucher_id is not null)
        and (method = 'card') = (provider is not null)
        and (method = 'cash' or drawer_id is null)),
    foreign key (venue_id, kind, subject_id) references payments.bill,
    foreign key (venue_id, drawer_id) references payments.drawer,
    foreign key (venue_id, voucher_id) references payments.voucher
);
create index payment_of_bill on payments.payment (venue_id, kind, subject_id);
create index payment_of_day on payments.payment (venue_id, day, id);
create index payment_of_drawer on payments.payment (venue_id, drawer_id)
    where drawer_id is not null;
create index payment_of_voucher on payments.payment (venue_id, voucher_id)
    where voucher_id is not null;

-- How a payment ended. A payment without one is pending. It ends once: that is the key.
create table payments.outcome (
    venue_id uuid not null,
    payment_id uuid not null,
    status text not null check (status in ('succeeded', 'failed')),
    receipt bigint,
    -- The provider's name for it.
    reference text,
    reason text,
    at timestamptz not null,
    day date not null,
    constraint outcome_pkey primary key (venue_id, payment_id),
    constraint outcome_receipt check ((status = 'succeeded') = (receipt is not null)),
    foreign key (venue_id, payment_id) references payments.payment
);
create index outcome_of_day on payments.outcome (venue_id, day);

-- What was asked for and needs a second person.
create table payments.refund_request (
    venue_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    kind text not null check (kind in ('refund', 'void')),
    amount bigint not null check (amount >= 0),
    tip bigint not null check (tip >= 0),
    reason text not null check (length(reason) between 3 and 300),
    asked_by uuid not null,
    asked_at timestamptz not null,
    primary key (venue_id, id),
    constraint refund_request_asker unique (venue_id, id, asked_by),
    foreign key (venue_id, payment_id) references payments.payment
);
create index request_of_payment on payments.refund_request (venue_id, payment_id);

create table payments.refund_decision (
    venue_id uuid not null,
    request_id uuid not null,
    approved boolean not null,
    asked_by uuid not null,
    decided_by uuid not null,
    decided_at timestamptz not null,
    constraint refund_decision_pkey primary key (venue_id, request_id),
    constraint refund_decided_by_another check (asked_by <> decided_by),
    foreign key (venue_id, request_id, asked_by)
        references payments.refund_request (venue_id, id, asked_by)
);

-- Money that goes back. A void takes the payment back as if it had not been; the bill is open again.
create table payments.refund (
    venue_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    kind text not null check (kind in ('refund', 'void')),
    amount bigint not null check (amount >= 0),
    tip bigint not null check (tip >= 0 and tip + amount > 0),
    reason text not null check (length(reason) between 3 and 300),
    -- Absent where the server gives back what came too late.
    made_by uuid,
    approved_by uuid,
    made_at timestamptz not null,
    day date not null,
    primary key (venue_id, id),
    foreign key (venue_id, payment_id) references payments.payment
);
create index refund_of_payment on payments.refund (venue_id, payment_id);

create table payments.refund_outcome (
    venue_id uuid not null,
    refund_id uuid not null,
    status text not null check (status in ('succeeded', 'failed')),
    receipt bigint,
    reference text,
    reason text,
    -- The drawer that the cash came out of, and who handed it over.
    drawer_id uuid,
    given_by uuid,
    at timestamptz not null,
    day date not null,
    constraint refund_outcome_pkey primary key (venue_id, refund_id),
    constraint refund_outcome_receipt check ((status = 'succeeded') = (receipt is not null)),
    foreign key (venue_id, refund_id) references payments.refund,
    foreign key (venue_id, drawer_id) references payments.drawer
);
create index refund_outcome_of_day on payments.refund_outcome (venue_id, day);
create index refund_outcome_of_drawer on payments.refund_outcome (venue_id, drawer_id)
    where drawer_id is not null;

create table payments.receipt (
    venue_id uuid not null,
    number bigint not null check (number > 0),
    payment_id uuid,
    refund_id uuid,
    day date not null,
    issued_at timestamptz not null,
    -- As it was handed out.
    body json not null,
    primary key (venue_id, number),
    constraint receipt_of_one check ((payment_id is null) <> (refund_id is null)),
    constraint receipt_of_payment unique (venue_id, payment_id),
    constraint receipt_of_refund unique (venue_id, refund_id),
    foreign key (venue_id, payment_id) references payments.payment,
    foreign key (venue_id, refund_id) references payments.refund
);

-- What a card provider is still to be asked: a list of work, not of what happened.
create table payments.errand (
    venue_id uuid not null,
    -- The payment or the refund.
    id uuid not null,
    what text not null check (what in ('charge', 'refund')),
    payment_id uuid not null,
    provider text not null,
    -- The provider's name for the charge.
    reference text,
    sum bigint not null check (sum > 0),
    currency char(3) not null,
    -- Nobody is to pay it any more.
    cancel boolean not null default false,
    tries int not null default 0,
    -- While somebody runs it: when somebody else may.
    next_at timestamptz not null,
    last_error text,
    created_at timestamptz not null,
    primary key (venue_id, id)
);
create index errand_due on payments.errand (next_at);

-- What a provider told us, once each.
create table payments.notice (
    venue_id uuid not null,
    provider text not null,
    event_id text not null check (length(event_id) between 1 and 255),
    kind text not null,
    payment_id uuid not null,
    at timestamptz not null,
    primary key (venue_id, provider, event_id)
);

-- A payment with how it ended and what goes back of it. What failed to go back is still here.
create view payments.payment_state with (security_invoker = true) as
    select p.venue_id, p.id, p.kind, p.subject_id, p.method, p.amount, p.tip, p.tendered, p.change,
           p.currency::text as currency, p.drawer_id, p.voucher_id, p.provider, p.taken_by,
           p.taken_at, p.day, o.status as outcome, o.receipt, o.reference, o.reason,
           back.amount as back_amount, back.tip as back_tip, back.under_way
    from payments.payment p
    left join payments.outcome o on o.venue_id = p.venue_id and o.payment_id = p.id
    cross join lateral (
        select coalesce(sum(r.amount), 0)::bigint as amount, coalesce(sum(r.tip), 0)::bigint as tip,
               count(*) filter (where x.status is null) as under_way
        from payments.refund r
        left join payments.refund_outcome x on x.venue_id = r.venue_id and x.refund_id = r.id
        where r.venue_id = p.venue_id and r.payment_id = p.id
          and x.status is distinct from 'failed') back;

-- A refund from its first request on. One that was approved has its own row, under the same id.
create view payments.refund_state with (security_invoker = true) as
    select r.venue_id, r.id, r.payment_id, r.kind, coalesce(x.status, 'pending') as status, r.amount,
           r.tip, r.reason, x.receipt, r.made_by, r.approved_by as decided_by, r.made_at, p.method,
           p.currency::text as currency, p.kind as subject_kind, p.subject_id
    from payments.refund r
    join payments.payment p on p.venue_id = r.venue_id and p.id = r.payment_id
    left join payments.refund_outcome x on x.venue_id = r.venue_id and x.refund_id = r.id
    union all
    select q.venue_id, q.id, q.payment_id, q.kind,
           case when d.approved is null then 'waiting' else 'denied' end, q.amount, q.tip, q.reason,
           null, q.asked_by, d.decided_by, q.asked_at, p.method, p.currency::text, p.kind,
           p.subject_id
    from payments.refund_request q
    join payments.payment p on p.venue_id = q.venue_id and p.id = q.payment_id
    left join payments.refund_decision d on d.venue_id = q.venue_id and d.request_id = q.id
    where d.approved is not true;

call log.guard('payments.settings');
call log.guard('payments.counter');
call log.guard('payments.bill');
call log.guard('payments.discount');
call log.guard('payments.drawer');
call log.guard('payments.drawer_move');
call log.guard('payments.drawer_close');
call log.guard('payments.voucher');
call log.guard('payments.payment');
call log.guard('payments.outcome');
call log.guard('payments.refund_request');
call log.guard('payments.refund_decision');
call log.guard('payments.refund');
call log.guard('payments.refund_outcome');
call log.guard('payments.receipt');
call log.guard('payments.errand');
call log.guard('payments.notice');

grant select on payments.venue, payments.payment_state, payments.refund_state
    to rowlock_app, rowlock_job;
grant select, insert, update on payments.settings, payments.counter, payments.errand
    to rowlock_app, rowlock_job;
grant delete on payments.errand to rowlock_app, rowlock_job;
-- What they are stays; what is left of them changes.
grant select, insert on payments.bill, payments.drawer, payments.voucher to rowlock_app, rowlock_job;
grant update (lines, due, discount, paid, pending, refunded, status, version)
    on payments.bill to rowlock_app, rowlock_job;
grant update (status) on payments.drawer to rowlock_app, rowlock_job;
grant update (balance, version) on payments.voucher to rowlock_app, rowlock_job;
-- What happened.
grant select, insert on payments.discount, payments.drawer_move, payments.drawer_close,
    payments.payment, payments.outcome, payments.refund_request, payments.refund_decision,
    payments.refund, payments.refund_outcome, payments.receipt, payments.notice
    to rowlock_app, rowlock_job;
