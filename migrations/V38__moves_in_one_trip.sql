-- A table that is only moved, turned or drawn anew, in one packet: done if nobody has changed it
-- since it was seen, and not at all otherwise.

-- A number with a fraction as workers write it: 7.0, not 7.
create function floor.decimal(p double precision) returns text language sql stable parallel safe as
$$ select case when p::text ~ '^-?[0-9]+$' then p::text || '.0' else p::text end $$;

-- One row when it was done, none when it was not: the longer way finds out why. A key that another
-- request has just used stops the whole packet: its calls then go the longer way, each alone.
create function floor.move_table(
    p_table uuid, p_seen bigint, p_x double precision, p_y double precision,
    p_width double precision, p_height double precision, p_rotation double precision,
    p_action text, p_actor uuid, p_key text, p_route text, p_body_hash bytea, p_topic smallint)
returns table (version bigint, seq bigint, at timestamptz, prev_at timestamptz, data text)
language plpgsql as
$$
declare
    v_venue uuid := log.scope_venue();
    t floor.table;
    e record;
begin
    if not log.may() or exists (select from log.once o where o.venue_id = v_venue
                                and o.actor = p_actor and o.key = p_key) then
        return;
    end if;
    -- The row is the lock; whoever waited for it compares the version that the other has left.
    update floor.table k
    set x = coalesce(p_x, k.x), y = coalesce(p_y, k.y), width = coalesce(p_width, k.width),
        height = coalesce(p_height, k.height), rotation = coalesce(p_rotation, k.rotation),
        version = k.version + 1
    where k.venue_id = v_venue and k.id = p_table and (p_seen is null or k.version = p_seen)
    returning k.* into t;
    if not found then
        return;
    end if;
    move_table.version := t.version;
    move_table.data := format('{"id":"%s","name":%s%s,"x":%s,"y":%s,"width":%s,"height":%s,'
        '"rotation":%s,"shape":"%s","minSeats":%s,"maxSeats":%s,"combinableWith":%s,'
        '"walkInOnly":%s,"status":"%s"%s,"version":%s}',
        t.id, to_json(t.name), coalesce(',"sectionId":"' || t.section_id || '"', ''),
        floor.decimal(t.x), floor.decimal(t.y), floor.decimal(t.width), floor.decimal(t.height),
        floor.decimal(t.rotation), t.shape, t.min_seats, t.max_seats, to_json(t.combinable_with),
        to_json(t.walk_in_only), t.status,
        (select format(',"guestId":"%s"', s.guest_id) from floor.seating s
         where s.venue_id = v_venue and s.table_id = p_table),
        t.version);
    if p_key is not null then
        insert into log.once (venue_id, actor, key, route, body_hash, status, answer, version)
        values (v_venue, p_actor, p_key, p_route, p_body_hash, 200, move_table.data, t.version);
    end if;
    e := log.emit_one(p_actor, p_topic, 'table_updated', 'table', p_table, t.version, p_action,
                      move_table.data::json);
    move_table.seq := e.seq;
    move_table.at := e.at;
    move_table.prev_at := e.prev_at;
    return next;
end
$$;
