-- A scan in one packet says which version its ticket has now: what is told at once has to say the
-- same as the log. Otherwise as in V18; old workers do not ask for the version.
drop function tickets.pass(uuid, uuid, uuid, uuid, int, smallint, bigint, text, text[], text, uuid,
    uuid, uuid, int, text, timestamptz, timestamptz, bigint, uuid, uuid, inet, text, timestamptz,
    smallint, text);

-- Lock first, look second: each statement of the function has a snapshot of its own, so what is
-- looked at is what the lock waited for. One row when it was done, none when it was not.
create function tickets.pass(
    p_nonce uuid, p_scanner uuid, p_show uuid, p_ticket uuid, p_serial int, p_class smallint,
    p_rules bigint, p_kind text, p_from text[], p_to text, p_zone_before uuid, p_zone_after uuid,
    p_list uuid, p_entries_max int, p_gate text, p_opens_at timestamptz, p_closes_at timestamptz,
    p_clock_micros bigint, p_device uuid, p_user uuid, p_address inet, p_agent text,
    p_device_at timestamptz, p_topic smallint, p_data text)
returns table (number text, name text, seat text, scanned_at timestamptz, inside int,
               version bigint, seq bigint, at timestamptz, prev_at timestamptz, data text)
language plpgsql as
$$
declare
    v_venue uuid := log.scope_venue();
    t record;
    e record;
begin
    -- A plan enters a zone or leaves one: who goes from one to another takes the longer way.
    if not log.may() or (p_zone_before is not null and p_zone_after is not null) then
        return;
    end if;
    -- The row is the lock: of many who scan it one comes first.
    select k.show_id, k.number, k.name, k.seat, k.serial, k.class, k.status, k.paid, k.blocked,
           k.zone_id, k.entries, k.version
    into t from tickets.ticket k where k.venue_id = v_venue and k.id = p_ticket for update;
    if not found or t.show_id <> p_show or t.serial <> p_serial or t.class <> p_class
       or t.status <> all (p_from) or not t.paid or t.blocked is not null
       or t.zone_id is distinct from p_zone_before or t.entries >= p_entries_max then
        return;
    end if;
    pass.scanned_at := clock_timestamp() + p_clock_micros * interval '1 microsecond';
    if pass.scanned_at < p_opens_at or pass.scanned_at >= p_closes_at
       or not exists (select from tickets.show s where s.venue_id = v_venue
                      and s.show_id = p_show and s.rules = p_rules)
       or exists (select from tickets.scan c where c.venue_id = v_venue and c.nonce = p_nonce
                  and c.scanner = p_scanner) then
        return;
    end if;
    if p_zone_before is not null then
        update tickets.zone z set inside = z.inside - 1
        where z.venue_id = v_venue and z.id = p_zone_before returning z.inside into pass.inside;
    end if;
    if p_zone_after is not null then
        update tickets.zone z set inside = z.inside + 1
        where z.venue_id = v_venue and z.id = p_zone_after
          and (z.capacity is null or z.inside < z.capacity)
        returning z.inside into pass.inside;
        -- Full: nothing was written yet.
        if not found then
            return;
        end if;
    end if;
    update tickets.ticket k
    set status = p_to, zone_id = p_zone_after, version = k.version + 1,
        entries = k.entries + case p_kind when 'entry' then 1 else 0 end
    where k.venue_id = v_venue and k.id = p_ticket;
    insert into tickets.scan (venue_id, nonce, scanner, show_id, ticket_id, list_id, zone_id, kind,
        gate, verdict, reason, detail, counts, device_id, user_id, address, agent, scanned_at,
        device_at, received_at, passed)
    values (v_venue, p_nonce, p_scanner, p_show, p_ticket, p_list,
        coalesce(p_zone_after, p_zone_before), p_kind, p_gate, 'admit', 'ok',
        case when pass.inside is not null then format('{"inside":%s}', pass.inside)::json end,
        true, p_device, p_user, p_address, p_agent, pass.scanned_at, p_device_at, pass.scanned_at, true);
    -- What only the rows know is put behind what the worker said.
    pass.number := t.number;
    pass.name := t.name;
    pass.seat := t.seat;
    pass.version := t.version + 1;
    pass.data := left(p_data, -1) || format(',"number":%s,"scannedAt":"%s"%s}', to_json(t.number),
        log.instant(pass.scanned_at),
        case when pass.inside is not null then format(',"inside":%s', pass.inside) else '' end);
    e := log.emit_one(p_user, p_topic, 'ticket_verified', 'ticket', p_ticket, pass.version, p_kind,
                      pass.data::json);
    pass.seq := e.seq;
    pass.at := e.at;
    pass.prev_at := e.prev_at;
    return next;
end
$$;
