-- The floors of a house: ground floor, gallery, roof. Named levels, because the floor is all of it.
create table floor.level (
    venue_id uuid not null references identity.venue,
    id uuid not null,
    name text not null check (length(name) between 1 and 60),
    -- 0 is the ground floor, 1 the one above.
    storey int not null check (storey between -20 and 200),
    version bigint not null,
    primary key (venue_id, id),
    -- Deferred: one write may swap two names.
    constraint level_name_key unique (venue_id, name) deferrable initially deferred
);

-- Tables are on a level by their section.
alter table floor.section add column level_id uuid;
alter table floor.section add constraint section_level_fkey
    foreign key (venue_id, level_id) references floor.level deferrable initially deferred;

call log.guard('floor.level');
grant select, insert, update, delete on floor.level to rowlock_app, rowlock_job;
