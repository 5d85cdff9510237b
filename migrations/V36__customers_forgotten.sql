-- Customers who asked to be forgotten: the words went with the request, and what told of them in logs
-- and at the till goes next, by a job.
alter table spa.order add column forget_since timestamptz;
create index order_to_forget on spa.order (forget_since) where forget_since is not null;
