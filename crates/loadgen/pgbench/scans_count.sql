select (select count(*) from tickets.ticket where status = 'admitted'),
       (select count(*) from tickets.scan where verdict = 'admit'),
       (select count(*) from log.venue_event where type = 'ticket_verified');
