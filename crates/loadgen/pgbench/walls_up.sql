-- Row-level security in again.
do $$
declare
    t regclass;
begin
    for t in select distinct polrelid::regclass from pg_policy loop
        execute format('alter table %s enable row level security', t);
    end loop;
end $$;
