-- Mails that wait to be sent, and what became of them. Queued in the transaction that is their
-- reason; the nil venue stands for mails outside any venue.
create schema notify;
grant usage on schema notify to rowlock_app, rowlock_job;

create table notify.mail (
    venue_id uuid not null,
    id uuid not null,
    kind text not null,
    recipient text not null check (length(recipient) between 3 and 254),
    subject text not null,
    -- Emptied when the mail is settled: a link in it is nobody else's.
    text text,
    html text,
    state text not null default 'queued' check (state in ('queued', 'sent', 'failed')),
    tries int not null default 0,
    -- When it is tried next; while somebody tries it, when somebody else may.
    next_at timestamptz not null,
    created_at timestamptz not null,
    settled_at timestamptz,
    -- Why the last try failed, in a word and a number; never the server's words, which name people.
    reason text,
    primary key (venue_id, id),
    constraint mail_settled check ((state = 'queued') = (settled_at is null))
);
create index mail_due on notify.mail (next_at) where state = 'queued';
create index mail_settled_at on notify.mail (settled_at) where state <> 'queued';

call log.guard('notify.mail');
grant insert on notify.mail to rowlock_app;
grant select, insert, update, delete on notify.mail to rowlock_job;
