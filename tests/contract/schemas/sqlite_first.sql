-- The registry. Times are milliseconds since 1970, UTC.
CREATE TABLE sandbox_instances (
  sandbox_id        TEXT PRIMARY KEY NOT NULL,
  user_id           TEXT NOT NULL,
  status            TEXT NOT NULL CHECK (status IN ('creating', 'starting', 'ready', 'running',
                      'shutting_down', 'stopped', 'failed', 'expired')),
  container_id      TEXT NOT NULL DEFAULT '',
  image             TEXT NOT NULL,
  template_id       TEXT NOT NULL,
  name              TEXT NOT NULL DEFAULT '',
  labels            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels)),
  config            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(config)),
  cpu               REAL NOT NULL,
  memory_bytes      INTEGER NOT NULL,
  pids              INTEGER NOT NULL,
  ttl_seconds       INTEGER NOT NULL,
  hot_path          TEXT NOT NULL,
  cold_path         TEXT NOT NULL,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL,
  expires_at        INTEGER NOT NULL,
  last_heartbeat_at INTEGER,
  stopped_at        INTEGER,
  stop_reason       TEXT CHECK (stop_reason IN ('user_requested', 'expired', 'error',
                      'graceful_shutdown', 'admin', 'lost')),
  stop_graceful     INTEGER NOT NULL DEFAULT 0,
  stop_deadline_at  INTEGER,
  status_detail     TEXT NOT NULL DEFAULT '',
  installation      TEXT NOT NULL,
  version           INTEGER NOT NULL
) STRICT;

CREATE INDEX sandbox_instances_newest ON sandbox_instances (created_at DESC, sandbox_id DESC);
CREATE INDEX sandbox_instances_user ON sandbox_instances (user_id, created_at DESC, sandbox_id DESC);
CREATE INDEX sandbox_instances_active ON sandbox_instances (installation, expires_at)
  WHERE status IN ('creating', 'starting', 'ready', 'running', 'shutting_down');

-- What happened to each, in order. Append-only.
CREATE TABLE sandbox_events (
  event_id   INTEGER PRIMARY KEY AUTOINCREMENT,
  sandbox_id TEXT NOT NULL,
  at         INTEGER NOT NULL,
  type       TEXT NOT NULL,
  status     TEXT NOT NULL,
  actor      TEXT NOT NULL,
  detail     TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX sandbox_events_of_sandbox ON sandbox_events (sandbox_id, event_id);
