-- What is forgotten, and what must not be yet.

-- When no container of an ended row was left on the host. Without that, its rows are kept.
ALTER TABLE hosts ADD COLUMN clean_at INTEGER;

-- Up to where the live feed has gaps: who read it up to an earlier point has to begin anew.
CREATE TABLE forgotten_events (event_id INTEGER NOT NULL) STRICT;

CREATE TRIGGER sandbox_events_forgotten AFTER DELETE ON sandbox_events
BEGIN
  INSERT INTO forgotten_events (event_id)
    SELECT OLD.event_id WHERE NOT EXISTS (SELECT 1 FROM forgotten_events);
  UPDATE forgotten_events SET event_id = OLD.event_id WHERE event_id < OLD.event_id;
END;
