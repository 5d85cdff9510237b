-- A table that is only moved, turned or drawn anew, in one packet: done if nobody has changed it
-- since it was seen, and not at all otherwise.

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
    v_guest uuid;
    t floor.table;
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
    select s.guest_id into v_guest from floor.seating s
    where s.venue_id = v_venue and s.table_id = p_table;
    move_table.version := t.version;
    move_table.data := format('{"id":"%s","name":%s%s,"x":%s,"y":%s,"width":%s,"height":%s,'
        '"rotation":%s,"shape":"%s","minSeats":%s,"maxSeats":%s,"combinableWith":%s,'
        '"walkInOnly":%s,"status":"%s"%s,"version":%s}',
        t.id, to_json(t.name), coalesce(',"sectionId":"' || t.section_id || '"', ''), t.x, t.y,
        t.width, t.height, t.rotation, t.shape, t.min_seats, t.max_seats, to_json(t.combinable_with),
        to_json(t.walk_in_only), t.status, coalesce(',"guestId":"' || v_guest || '"', ''),
        t.version);
    if p_key is not null then
        insert into log.once (venue_id, actor, key, route, body_hash, status, answer, version)
        values (v_venue, p_actor, p_key, p_route, p_body_hash, 200, move_table.data, t.version);
    end if;
    select e.seq, e.at, e.prev_at into move_table.seq, move_table.at, move_table.prev_at
    from log.emit_one(p_actor, p_topic, 'table_updated', 'table', p_table, t.version, p_action,
                      move_table.data::json) e;
    return next;
end
$$;
