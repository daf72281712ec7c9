-- The host's clock, as the registry last saw it: a step of it is no reason for anything to end.
CREATE TABLE store_clock (
  only_row   INTEGER PRIMARY KEY NOT NULL CHECK (only_row = 1),
  boot       TEXT NOT NULL,     -- of the machine; offset_ms means nothing on another one
  offset_ms  INTEGER NOT NULL,  -- from the time since that boot to the registry's time
  seen_at    INTEGER NOT NULL,
  doubted_at INTEGER            -- when a new time was taken over; history is kept for a day more
) STRICT;

-- GET /sandboxes by status, newest first.
CREATE INDEX sandbox_instances_status ON sandbox_instances (status, created_at DESC, sandbox_id DESC);
