-- What `bench claims` needs besides the product's own tables; run once by the superuser. Read from
-- psql's standard input: number, venue, user of each therapist.
create schema if not exists claims;
create table claims.therapist (n int primary key, venue_id uuid not null, user_id uuid not null);
\copy claims.therapist from pstdin with (format csv)
alter table claims.therapist set (autovacuum_enabled = off);
vacuum analyze claims.therapist;

insert into identity.member (venue_id, id, user_id, role, created_at)
    select venue_id, gen_random_uuid(), user_id, 'therapist', now() from claims.therapist
    on conflict do nothing;
insert into spa.therapist (venue_id, user_id, name, skills, began_at, turn_at, turn_before)
    select venue_id, user_id, 'T' || n, array['thai'], now(), now(), now() from claims.therapist;
insert into spa.room (venue_id, id, name, offers, turnover_minutes, out_of_service, position, free_at)
    select venue_id, gen_random_uuid(), 'R' || n, array['bed'], 0, false, n, now()
    from (select distinct venue_id from claims.therapist) v, generate_series(1, 100) n;
insert into spa.settings (venue_id, rules, version)
    select venue_id, '{"turnSecs":0,"claimLeaseSecs":900,"claimMinutes":120,
        "serviceGraceMinutes":15,"paymentLeaseSecs":120,"paymentClaimMinutes":30,
        "paymentMinutes":3,"undoSecs":300,"noShowSecs":60,"lineMax":200000}'::json, 1
    from (select distinct venue_id from claims.therapist) v;

-- Treatments that take no time: whoever was claimed is done within some milliseconds, many at once,
-- so that therapists and rooms are free when they are asked for again.
create procedure claims.treat(secs float) language plpgsql as $$
declare
    until timestamptz := clock_timestamp() + secs * interval '1 second';
begin
    while clock_timestamp() < until loop
        with done as (
            update spa.order set status = 'finished', finished_at = clock_timestamp(),
                lease_until = null
            where status = 'therapist_confirmed' returning venue_id, id
        ), rooms as (
            update spa.room r set order_id = null, free_at = clock_timestamp() from done
            where r.venue_id = done.venue_id and r.order_id = done.id
        ), therapists as (
            update spa.therapist t set order_id = null from done
            where t.venue_id = done.venue_id and t.order_id = done.id
        )
        -- They took no time: no claim of this very moment overlaps with them.
        update spa.stay s
        set room_during =
                tstzrange(lower(room_during), lower(room_during) + interval '1 microsecond'),
            therapist_during =
                tstzrange(lower(room_during), lower(room_during) + interval '1 microsecond')
        from done
        where s.venue_id = done.venue_id and s.order_id = done.id and upper_inf(therapist_during);
        commit;
        perform pg_sleep(0.01);
    end loop;
end
$$;
