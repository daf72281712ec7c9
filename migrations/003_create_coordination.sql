-- Version 3: what several orchestrators share.
BEGIN;

INSERT INTO matrx_schema (version) VALUES (3);

CREATE TABLE matrx_hosts (
  installation text PRIMARY KEY,
  name         text NOT NULL,
  last_seen_at timestamptz NOT NULL
);

CREATE TABLE matrx_leases (
  name       text PRIMARY KEY,
  holder     text NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE TABLE matrx_idempotency_keys (
  key         text PRIMARY KEY,
  fingerprint text NOT NULL,
  sandbox_id  text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX matrx_idempotency_keys_age ON matrx_idempotency_keys (created_at);

COMMIT;
