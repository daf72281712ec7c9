-- Idempotency keys, retention, and what several orchestrators need on a shared store.
CREATE TABLE idempotency_keys (
  key         TEXT PRIMARY KEY NOT NULL,
  fingerprint TEXT NOT NULL,
  sandbox_id  TEXT NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE hosts (
  installation TEXT PRIMARY KEY NOT NULL,
  name         TEXT NOT NULL,
  last_seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (
  name       TEXT PRIMARY KEY NOT NULL,
  holder     TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sandbox_instances_ended ON sandbox_instances (stopped_at)
  WHERE status IN ('stopped', 'failed', 'expired');
