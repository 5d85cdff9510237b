-- Mails carry files: the picture of a code, a date for a calendar. Emptied with the words when the
-- mail is settled.
alter table notify.mail add column attachments json;

-- What a ticket says of the house that it leads to.
create view tickets.venue with (security_invoker = true) as
    select venue_id, name, time_zone from identity.venue;
grant select on tickets.venue to rowlock_app, rowlock_job;

-- Tickets whose mail is to be written, and those whose mail is under way.
create index ticket_to_mail on tickets.ticket (venue_id, show_id, id)
    where mail_state = 'queued' and mail_id is null;
create index ticket_mail_out on tickets.ticket (mail_id)
    where mail_state = 'queued' and mail_id is not null;

create index scan_lately on tickets.scan using brin (received_at) with (pages_per_range = 16);

-- How far the doors of a venue were watched. The row is the lock: one worker watches at a time.
create table tickets.watch (
    venue_id uuid primary key references identity.venue,
    seen_at timestamptz not null
) with (fillfactor = 50);
call log.guard('tickets.watch');
grant select, insert, update on tickets.watch to rowlock_app, rowlock_job;
