-- The workers' login, as deploy/postgres makes it: in production a superuser is refused.
create role rowlock_worker login createrole password :'password';
create role rowlock_app nologin;
create role rowlock_job nologin;
grant rowlock_app, rowlock_job to rowlock_worker with admin option;
grant set on parameter deadlock_timeout to rowlock_worker, rowlock_app, rowlock_job;
alter database rowlock owner to rowlock_worker;
