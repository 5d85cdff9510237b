#!/bin/sh
# The workers' login is no superuser: in production the server refuses to start with one.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set=password="$POSTGRES_PASSWORD" <<'SQL'
-- The first migration tries to make its roles itself, for which even finding them needs `createrole`.
create role rowlock login createrole password :'password';
create role rowlock_app nologin;
create role rowlock_job nologin;
grant rowlock_app, rowlock_job to rowlock with admin option;
-- Sessions look for deadlocks sooner than the server's default, which else only a superuser may say.
grant set on parameter deadlock_timeout to rowlock, rowlock_app, rowlock_job;
create database rowlock owner rowlock;
SQL
