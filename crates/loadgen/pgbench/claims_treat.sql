\set secs SECS
call claims.treat(:secs);
