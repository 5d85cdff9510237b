-- The roles that workers take, and the scope that row-level security asks for.
-- Roles belong to the whole server: another database may have made them already.
do $$
begin
    create role rowlock_app nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$
begin
    create role rowlock_job nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$
begin
    execute format('grant rowlock_app, rowlock_job to %I', current_user);
end $$;

create schema log;
grant usage on schema log to rowlock_app, rowlock_job;

-- The venue and the user of this transaction; null without them, and then nothing is seen.
create function log.scope_venue() returns uuid language sql stable parallel safe as
$$ select nullif(current_setting('app.venue_id', true), '')::uuid $$;
create function log.scope_user() returns uuid language sql stable parallel safe as
$$ select nullif(current_setting('app.user_id', true), '')::uuid $$;

-- Gives a table its two policies: the scope's venue for requests, everything for jobs.
create procedure log.guard(t regclass) language plpgsql as
$$
begin
    execute format('alter table %s enable row level security', t);
    execute format('alter table %s force row level security', t);
    execute format('create policy scope on %s to rowlock_app '
                   'using (venue_id = (select log.scope_venue())) '
                   'with check (venue_id = (select log.scope_venue()))', t);
    execute format('create policy job on %s to rowlock_job using (true) with check (true)', t);
end
$$;
