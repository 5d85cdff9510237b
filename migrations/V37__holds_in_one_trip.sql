-- A hold in one packet: seats that were named or chosen are held if nothing stands against it under
-- their locks, and nothing is done otherwise.

-- As the API writes an instant: six digits and Z.
create function log.instant(p_at timestamptz) returns text language sql stable parallel safe as
$$ select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- As in V18, in one statement and without a set of rows, which costs more than what it does; and where
-- several calls go together, one event waits for the others: they are told by one statement at the
-- end, so that the head is locked for that and no longer.
drop function log.emit_one(uuid, smallint, text, text, uuid, bigint, text, json);
create function log.emit_one(
    p_actor uuid, p_topic smallint, p_type text, p_entity text, p_entity_id uuid, p_version bigint,
    p_action text, p_data json, out seq bigint, out at timestamptz, out prev_at timestamptz)
language plpgsql as
$$
begin
    if current_setting('app.together', true) = 'yes' then
        perform set_config('app.told', coalesce(current_setting('app.told', true), '') || format(
            ',{"actor":"%s","topic":%s,"type":"%s","entity":"%s","entity_id":"%s","version":%s,'
            '"action":"%s","data":%s}',
            p_actor, p_topic, p_type, p_entity, p_entity_id, p_version, p_action, p_data), true);
        return;
    end if;
    with head as (
        update log.venue_head h
        set seq = h.seq + 1, prev_at = h.at,
            at = greatest(clock_timestamp(), h.at + interval '1 microsecond')
        where h.venue_id = log.scope_venue()
        returning h.venue_id, h.seq, h.at, h.prev_at
    ), logged as (
        insert into log.venue_event
            (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
        select h.venue_id, h.seq, h.at, p_topic, p_type, p_entity, p_entity_id, p_version, p_action,
               p_actor, p_data
        from head h)
    select h.seq, h.at, h.prev_at into emit_one.seq, emit_one.at, emit_one.prev_at from head h;
end
$$;
revoke all on function log.emit_one(uuid, smallint, text, text, uuid, bigint, text, json) from public;
grant execute on function log.emit_one(uuid, smallint, text, text, uuid, bigint, text, json)
    to rowlock_app, rowlock_job;

-- The events of all calls of this transaction, in their order; the row says where the last stands.
-- None where none of them did anything. Whoever calls this commits next.
create function log.emit_told()
returns table (seq bigint, at timestamptz, prev_at timestamptz) language plpgsql as
$$
declare
    v_venue uuid := log.scope_venue();
    v_told json := '[' || substr(current_setting('app.told', true), 2) || ']';
    v_count int := json_array_length(v_told);
begin
    if v_count = 0 then
        return;
    end if;
    update log.venue_head h
    set seq = h.seq + v_count, prev_at = h.at,
        at = greatest(clock_timestamp(), h.at + interval '1 microsecond')
    where h.venue_id = v_venue
    returning h.seq, h.at, h.prev_at into emit_told.seq, emit_told.at, emit_told.prev_at;
    insert into log.venue_event
        (venue_id, seq, at, topic, type, entity, entity_id, version, action, actor, data)
    select v_venue, emit_told.seq - v_count + e.n, emit_told.at, e.topic, e.type, e.entity,
           e.entity_id, e.version, e.action, e.actor, e.data
    from rows from (json_to_recordset(v_told) as (actor uuid, topic smallint, type text, entity text,
             entity_id uuid, version bigint, action text, data json)) with ordinality
         as e(actor, topic, type, entity, entity_id, version, action, data, n);
    return next;
end
$$;
revoke all on function log.emit_told() from public;
grant execute on function log.emit_told() to rowlock_app, rowlock_job;

-- Lock first, look second: each statement of the function has a snapshot of its own. One row when
-- the seats are held, none when they are not: the longer way finds out why.
create function booking.hold_seats(
    p_show uuid, p_labels text[], p_user uuid, p_limited boolean, p_holds_max bigint,
    p_hold uuid, p_token text, p_token_hash bytea, p_hold_max_secs int, p_clock_micros bigint,
    p_key text, p_route text, p_body_hash bytea, p_topic smallint)
returns table (answer text, seq bigint, at timestamptz, prev_at timestamptz, data text)
language plpgsql as
$$
declare
    v_venue uuid := log.scope_venue();
    v_now timestamptz;
    v_until timestamptz;
    v_ends timestamptz;
    f record;
    s record;
    e record;
begin
    if not log.may() then
        return;
    end if;
    -- Two holds of one customer at the same moment would both count one live hold.
    if p_limited then
        perform pg_advisory_xact_lock(hashtextextended(p_user::text, 7));
    end if;
    -- The rows are the locks, in seat order. Each seat is looked up (`offset 0` keeps it so), whatever
    -- PostgreSQL takes the show for while it has no statistics of it.
    with locked as (
        select k.seat, k.label, k.category, k.price, k.withheld, k.allocation, k.whole
        from (select l.seat from unnest(p_labels) as w(label) cross join lateral (
                  select n.seat from booking.seat n
                  where n.venue_id = v_venue and n.show_id = p_show and n.label = w.label
                  offset 0) l
              order by l.seat offset 0) o
        cross join lateral (
            select i.seat, i.label, i.category, i.price, i.withheld, i.allocation, i.whole
            from booking.seat i
            where i.venue_id = v_venue and i.show_id = p_show and i.seat = o.seat for update) k)
    select count(*) as found, sum(k.price)::bigint as total,
           bool_or(k.withheld or k.allocation is not null or k.whole is not null) as kept,
           array_agg(k.seat order by k.seat) as seats,
           array_agg(k.label order by k.seat) as labels,
           array_agg(k.category order by k.seat) as categories,
           array_agg(k.price order by k.seat) as prices
    into f from locked k;
    if f.found <> cardinality(p_labels) or f.kept then
        return;
    end if;
    v_now := clock_timestamp() + p_clock_micros * interval '1 microsecond';
    select h.hold_secs, h.currency::text as currency,
           h.status = 'on_sale' and v_now < h.starts_at as on_sale,
           exists (select from unnest(f.seats) as w(seat) cross join lateral (
                       select from booking.claim c where c.venue_id = v_venue
                       and c.show_id = p_show and c.seat = w.seat offset 0) k) as claimed,
           p_limited and (
               exists (select from booking.line l
                       where l.venue_id = v_venue and l.show_id = p_show and l.open)
               or (select count(distinct coalesce(o.bundle_id, o.id)) from booking.hold o
                   where o.venue_id = v_venue and o.user_id = p_user
                     and o.status not in ('released', 'expired', 'booked')
                     and o.expires_at > v_now)
                + (select count(*) from booking.booking b
                   where b.venue_id = v_venue and b.user_id = p_user and b.status = 'pending'
                     and b.pay_by > v_now) >= p_holds_max) as refused
    into s from booking.show h where h.venue_id = v_venue and h.id = p_show;
    if not found or not s.on_sale or s.claimed or s.refused then
        return;
    end if;
    v_until := v_now + s.hold_secs * interval '1 second';
    v_ends := v_now + p_hold_max_secs * interval '1 second';
    hold_seats.answer := format('{"id":"%s","showId":"%s","token":%s,"seats":[%s],'
        '"price":{"amount":%s,"currency":"%s"},"expiresAt":"%s","endsAt":"%s"}',
        p_hold, p_show, to_json(p_token),
        (select string_agg(format('{"id":%s,"category":%s,"price":{"amount":%s,"currency":"%s"}}',
                to_json(u.label), to_json(u.category), u.price, s.currency), ',' order by u.n)
         from unnest(f.labels, f.categories, f.prices) with ordinality
             as u(label, category, price, n)),
        f.total, s.currency, log.instant(v_until), log.instant(v_ends));
    -- The key is taken when nothing stands against the hold, so that a refusal leaves none.
    insert into log.once (venue_id, actor, key, route, body_hash, status, answer)
    values (v_venue, p_user, p_key, p_route, p_body_hash, 201, hold_seats.answer)
    on conflict do nothing;
    if not found then
        return;
    end if;
    with made as (
        insert into booking.hold (venue_id, id, show_id, user_id, token_hash, seats, total, status,
                                  expires_at, ends_at, created_at)
        values (v_venue, p_hold, p_show, p_user, p_token_hash, f.seats, f.total, 'live', v_until,
                v_ends, v_now))
    insert into booking.claim (venue_id, show_id, seat, hold_id, expires_at)
    select v_venue, p_show, k.seat, p_hold, v_until from unnest(f.seats) as k(seat);
    hold_seats.data := format('{"showId":"%s","seats":[%s],"until":"%s"}', p_show,
        (select string_agg(format('{"id":%s,"status":"held"}', to_json(u.label)), ',' order by u.n)
         from unnest(f.labels) with ordinality as u(label, n)),
        log.instant(v_until));
    e := log.emit_one(p_user, p_topic, 'seats_updated', 'show', p_show, 0, 'held',
                      hold_seats.data::json);
    hold_seats.seq := e.seq;
    hold_seats.at := e.at;
    hold_seats.prev_at := e.prev_at;
    return next;
end
$$;
