-- The spa and the till know whose an order is, so that what is kept of a person can be given to them
-- or erased; and a refund that a bank has not taken yet is asked about until it has.

-- Who ordered, where somebody was signed in for themselves. No key: people are erased, orders stay.
alter table spa.order add column customer_id uuid;
create index order_of_customer on spa.order (customer_id, id) where customer_id is not null;

-- Names and notes that customers without an account have left: forgotten some weeks after the visit.
create index order_named on spa.order (ended_at)
    where ended_at is not null and (name is not null or note is not null);

-- Who has taken money of late, for quotes, without a look at all orders of the day.
create index order_paying on spa.order (venue_id, payment_claimed_at) include (cashier_id)
    where payment_claimed_at is not null;

-- The provider's name for a refund that it has taken and not finished.
alter table payments.errand add column refund_reference text;

-- What staff wrote about somebody goes with them; sums, numbers and times stay. Only a job that
-- erases may, and no more of a row than its words.
grant update (reason) on payments.discount, payments.refund, payments.refund_request to rowlock_job;
grant update (body) on payments.receipt to rowlock_job;
create index payment_of_subject on payments.payment (subject_id);
