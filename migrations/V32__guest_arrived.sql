-- When a party that waits was back at the stand. It is no status: whoever has arrived keeps the place
-- in the line, told or not.
alter table floor.guest add column arrived_at timestamptz;
