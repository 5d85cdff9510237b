-- What a run has really done: each move of a table is one event.
select count(*) from log.venue_event where type = 'table_updated';
