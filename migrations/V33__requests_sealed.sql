-- What is asked for with `Prefer: respond-async` has a hold's token and a customer's name: sealed with
-- ROWLOCK_KEY until it is done, so that whoever reads the table opens no hold. `body` stays for what
-- workers of the release before have kept.
alter table booking.request
    add column body_sealed bytea,
    drop constraint request_open,
    add constraint request_open
        check (num_nonnulls(body, body_sealed) = case when done_at is null then 1 else 0 end);
