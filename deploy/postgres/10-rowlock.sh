#!/bin/sh
# The workers' role is no superuser: in production the server refuses to start with one.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set=password="$POSTGRES_PASSWORD" <<'SQL'
create role rowlock login password :'password';
create database rowlock owner rowlock;
SQL
