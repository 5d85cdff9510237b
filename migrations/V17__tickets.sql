-- Tickets, the doors of a show, and every scan.
create schema tickets;
grant usage on schema tickets to rowlock_app, rowlock_job;

-- The doors of a show: what this slice needs to know of it. `rules` rises with every change of its
-- keys, types, lists, zones and questions: what a worker or a scanner has kept is compared with it.
create table tickets.show (
    venue_id uuid not null,
    show_id uuid not null,
    name text not null check (length(name) between 1 and 200),
    -- A code counts from here to there.
    opens_at timestamptz not null,
    closes_at timestamptz not null check (closes_at > opens_at),
    -- Whether the holder's name travels in the code, sealed.
    seals_names boolean not null default false,
    -- How long a bundle may be used without a network.
    lease_secs int not null default 43200 check (lease_secs between 60 and 43200),
    rules bigint not null default 1,
    version bigint not null default 1,
    primary key (venue_id, show_id),
    foreign key (venue_id, show_id) references booking.show
) with (fillfactor = 80);

-- What signs the codes of a show. The private half and the key of names are sealed.
create table tickets.key (
    venue_id uuid not null,
    show_id uuid not null,
    kid smallint not null check (kid between 1 and 255),
    public_key bytea not null check (length(public_key) = 32),
    private_sealed bytea not null,
    name_key_sealed bytea not null,
    -- One signs; retired ones verify what they have signed; revoked ones verify nothing.
    state text not null check (state in ('active', 'retired', 'revoked')),
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (venue_id, show_id, kid),
    foreign key (venue_id, show_id) references tickets.show
);
create unique index key_one_signs on tickets.key (venue_id, show_id) where state = 'active';

-- A kind of ticket. `class` is its number in the codes of its show.
create table tickets.type (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    class smallint not null check (class between 1 and 255),
    name text not null check (length(name) between 1 and 120),
    -- Narrower than the show's, where set.
    valid_from timestamptz,
    valid_until timestamptz check (valid_until > valid_from),
    -- Nobody who holds one is admitted while this is set; what it says is shown at the door.
    blocked text check (length(blocked) between 1 and 200),
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint type_class_key unique (venue_id, show_id, class),
    constraint type_name_key unique (venue_id, show_id, name),
    foreign key (venue_id, show_id) references tickets.show
);

-- A part of the house with an exact count of the people inside. The row is the lock of its count.
create table tickets.zone (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    name text not null check (length(name) between 1 and 120),
    capacity int check (capacity between 1 and 1000000),
    -- Above the capacity only by force, or by what was scanned without a network.
    inside int not null default 0 check (inside >= 0),
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint zone_name_key unique (venue_id, show_id, name),
    foreign key (venue_id, show_id) references tickets.show
) with (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

-- What a scanner scans with: which types, when, into which zone, how often.
create table tickets.list (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    name text not null check (length(name) between 1 and 120),
    -- Empty: every type.
    classes smallint[] not null default '{}',
    zone_id uuid,
    opens_at timestamptz,
    closes_at timestamptz check (closes_at > opens_at),
    reentry text not null default 'never' check (reentry in ('never', 'after_exit', 'always')),
    -- Entries of one ticket in all, where they are counted.
    entries_max int check (entries_max between 1 and 1000),
    takes_unpaid boolean not null default false,
    version bigint not null default 1,
    primary key (venue_id, id),
    constraint list_name_key unique (venue_id, show_id, name),
    foreign key (venue_id, show_id) references tickets.show,
    foreign key (venue_id, zone_id) references tickets.zone
);

-- What the door has to ask before it admits: an ID, an age, something to hand out.
create table tickets.question (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    -- Of every type, and on every list, unless set.
    class smallint,
    list_id uuid,
    text text not null check (length(text) between 1 and 300),
    -- Empty: to be confirmed; otherwise one of these.
    choices text[] not null default '{}' check (cardinality(choices) <= 20),
    -- At every entry, or once.
    each_entry boolean not null default false,
    position int not null default 0,
    version bigint not null default 1,
    primary key (venue_id, id),
    foreign key (venue_id, show_id) references tickets.show,
    foreign key (venue_id, list_id) references tickets.list on delete cascade
);

-- A right of entry. The row is the lock: whoever judges a scan takes it first.
create table tickets.ticket (
    venue_id uuid not null,
    id uuid not null,
    show_id uuid not null,
    number text not null check (length(number) between 1 and 40),
    class smallint not null,
    name text check (length(name) between 1 and 120),
    email text check (length(email) between 3 and 254),
    seat text check (length(seat) between 1 and 40),
    status text not null default 'issued'
        check (status in ('issued', 'sent', 'admitted', 'left', 'revoked')),
    -- Rises when it is issued anew: older codes die.
    serial int not null default 1 check (serial >= 1),
    reissued_at timestamptz,
    revoked_at timestamptz,
    revoked_why text check (length(revoked_why) <= 200),
    paid boolean not null default true,
    blocked text check (length(blocked) between 1 and 200),
    -- The booking that it came with.
    booking_id uuid,
    -- Where its holder is, and how often they came in.
    zone_id uuid,
    entries int not null default 0 check (entries >= 0),
    answered boolean not null default false,
    -- The secret of the holder's page, hashed.
    link_hash bytea,
    mail_state text not null default 'none' check (mail_state in ('none', 'queued', 'sent', 'failed')),
    mail_id uuid,
    mail_tries int not null default 0,
    mail_error text check (length(mail_error) <= 500),
    mailed_at timestamptz,
    -- The transaction that changed it last: an offline bundle takes what is newer than its own.
    changed bigint not null default 0,
    version bigint not null default 1,
    created_at timestamptz not null,
    primary key (venue_id, id),
    constraint ticket_number_key unique (venue_id, show_id, number),
    foreign key (venue_id, show_id) references tickets.show,
    foreign key (venue_id, show_id, class) references tickets.type (venue_id, show_id, class),
    constraint ticket_zone check (zone_id is null or status in ('admitted', 'revoked'))
) with (fillfactor = 80);
create index ticket_changed on tickets.ticket (venue_id, show_id, changed, id);
create index ticket_booking on tickets.ticket (venue_id, booking_id) where booking_id is not null;
create index ticket_email on tickets.ticket (venue_id, email) where email is not null;
create index ticket_mail on tickets.ticket (venue_id, mail_state) where mail_state in ('queued', 'failed');
create statistics tickets.ticket_of_show (dependencies, ndistinct) on venue_id, show_id from tickets.ticket;

-- Nobody can forget it: whatever changes a ticket stamps it.
create function tickets.stamp() returns trigger language plpgsql as
$$
begin
    new.changed := pg_current_xact_id()::text::bigint;
    return new;
end
$$;
create trigger stamp before insert or update on tickets.ticket
    for each row execute function tickets.stamp();

-- One attempt, kept with its verdict. Who scans is a device, or a member without one.
create table tickets.scan (
    venue_id uuid not null,
    nonce uuid not null,
    scanner uuid not null,
    show_id uuid not null,
    ticket_id uuid,
    list_id uuid,
    zone_id uuid,
    kind text not null check (kind in ('entry', 'exit')),
    gate text check (length(gate) between 1 and 60),
    verdict text not null check (verdict in ('admit', 'deny', 'ask')),
    reason text not null,
    -- Who was there first, what is asked: what the answer said besides.
    detail json,
    -- What the door answered to the questions, and why somebody forced it.
    answers json,
    forced text check (length(forced) between 1 and 300),
    -- Whether it moved the ticket: of two offline admissions only one counts.
    counts boolean not null,
    -- Something a supervisor has to look at: a second person was let in, a revoked ticket.
    conflict text check (conflict in ('second_entry', 'after_revocation', 'untrusted_device')),
    settled_at timestamptz,
    settled_by uuid,
    device_id uuid,
    user_id uuid not null,
    address inet,
    agent text check (length(agent) <= 200),
    -- When it was judged to be: the device's time set right, for what was scanned without a network.
    scanned_at timestamptz not null,
    device_at timestamptz,
    received_at timestamptz not null,
    offline boolean not null default false,
    undone_at timestamptz,
    undone_by uuid,
    primary key (venue_id, nonce, scanner),
    foreign key (venue_id, show_id) references tickets.show
) with (fillfactor = 90);
create index scan_of_ticket on tickets.scan (venue_id, ticket_id, scanned_at) where ticket_id is not null;
create index scan_received on tickets.scan (venue_id, show_id, received_at);
create index scan_open_conflict on tickets.scan (venue_id, received_at)
    where conflict is not null and settled_at is null;

-- What the house should know of: many denials at one device, one code at two gates.
create table tickets.alert (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    show_id uuid,
    kind text not null,
    -- What it is about, once while it is open: a device, a ticket.
    subject uuid not null,
    count int not null default 1,
    detail json not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    seen_at timestamptz,
    seen_by uuid,
    version bigint not null default 1,
    primary key (venue_id, id)
);
create unique index alert_once on tickets.alert (venue_id, kind, subject) where seen_at is null;

-- The rules of a show have changed.
create function tickets.note_rules() returns trigger language plpgsql as
$$
begin
    update tickets.show set rules = rules + 1
    where venue_id = coalesce(new.venue_id, old.venue_id)
      and show_id = coalesce(new.show_id, old.show_id);
    return null;
end
$$;
create trigger note_rules after insert or update or delete on tickets.key
    for each row execute function tickets.note_rules();
create trigger note_rules after insert or update or delete on tickets.type
    for each row execute function tickets.note_rules();
create trigger note_rules after insert or update or delete on tickets.list
    for each row execute function tickets.note_rules();
create trigger note_rules after insert or update or delete on tickets.question
    for each row execute function tickets.note_rules();
create trigger note_rules after insert or delete or update of name, capacity on tickets.zone
    for each row execute function tickets.note_rules();
create function tickets.note_own_rules() returns trigger language plpgsql as
$$
begin
    new.rules := old.rules + 1;
    return new;
end
$$;
create trigger note_rules before update of name, opens_at, closes_at, seals_names, lease_secs
    on tickets.show for each row execute function tickets.note_own_rules();

-- When a device was revoked: what it scanned before that counts, what it says to have scanned
-- after it does not.
alter table identity.device add column revoked_at timestamptz;
create function identity.note_revoked() returns trigger language plpgsql as
$$
begin
    new.revoked_at := case when new.status = 'revoked' then coalesce(old.revoked_at, clock_timestamp()) end;
    return new;
end
$$;
create trigger note_revoked before update of status on identity.device
    for each row execute function identity.note_revoked();
create view tickets.scanner with (security_invoker = true) as
    select venue_id, id, name, status, revoked_at from identity.device;
create view tickets.person with (security_invoker = true) as select id, name from identity.user;

call log.guard('tickets.show');
call log.guard('tickets.key');
call log.guard('tickets.type');
call log.guard('tickets.zone');
call log.guard('tickets.list');
call log.guard('tickets.question');
call log.guard('tickets.ticket');
call log.guard('tickets.scan');
call log.guard('tickets.alert');

grant select, insert, update on tickets.show, tickets.key, tickets.ticket, tickets.scan, tickets.alert
    to rowlock_app, rowlock_job;
grant select, insert, update, delete on tickets.type, tickets.zone, tickets.list, tickets.question
    to rowlock_app, rowlock_job;
grant select on tickets.scanner, tickets.person to rowlock_app, rowlock_job;
