-- The roles that workers take, and the scope that row-level security asks for.
-- Roles belong to the whole server: another database may have made them already.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['rowlock_app', 'rowlock_job'] loop
        -- Making a role needs a right that the login may lack once an operator has made it.
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
        if not pg_has_role(current_user, wanted, 'member') then
            execute format('grant %I to %I', wanted, current_user);
        end if;
    end loop;
end $$;
-- A deadlock is a bug of ours and should show as one before a lock times out after a second. Only
-- a superuser may say so; elsewhere it shows as a lock that was not given.
do $$
begin
    execute format('alter role %I set deadlock_timeout = %L', current_user, '200ms');
exception when insufficient_privilege then null;
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
