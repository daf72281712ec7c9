-- What is forgotten, and what must not be yet.

-- Of what had ended by then no container was left on the host. Later rows are kept.
ALTER TABLE hosts ADD COLUMN clean_at INTEGER;

-- Up to where the live feed has gaps: who read it up to an earlier point has to begin anew. Nobody
-- has written down what was forgotten before this table.
CREATE TABLE forgotten_events (event_id INTEGER NOT NULL) STRICT;
INSERT INTO forgotten_events (event_id)
  SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'sandbox_events';

CREATE TRIGGER sandbox_events_forgotten AFTER DELETE ON sandbox_events
BEGIN
  UPDATE forgotten_events SET event_id = OLD.event_id WHERE event_id < OLD.event_id;
END;

-- A row takes its history with it, whoever deletes it.
CREATE TRIGGER sandbox_instances_forgotten AFTER DELETE ON sandbox_instances
BEGIN
  DELETE FROM sandbox_events WHERE sandbox_id = OLD.sandbox_id;
END;
