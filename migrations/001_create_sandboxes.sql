-- Version 1: the registry. Postgres 13 or newer.
-- Apply: psql "$MATRX_DATABASE_URL" -v ON_ERROR_STOP=1 -f migrations/001_create_sandboxes.sql
BEGIN;

CREATE TABLE matrx_schema (
  version    integer PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO matrx_schema (version) VALUES (1);

CREATE TABLE sandbox_instances (
  sandbox_id        text PRIMARY KEY CHECK (sandbox_id ~ '^sbx-[0-9a-f]{12}$'),
  user_id           text NOT NULL CHECK (user_id ~ '^[a-zA-Z0-9._-]{1,255}$'),
  status            text NOT NULL DEFAULT 'creating'
                      CONSTRAINT sandbox_instances_status CHECK (status IN ('creating', 'starting',
                        'ready', 'running', 'shutting_down', 'stopped', 'failed', 'expired')),
  container_id      text,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  hot_path          text NOT NULL,
  cold_path         text NOT NULL,
  config            jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
  ttl_seconds       integer NOT NULL CHECK (ttl_seconds > 0),
  expires_at        timestamptz NOT NULL,
  last_heartbeat_at timestamptz,
  stopped_at        timestamptz,
  stop_reason       text
                      CONSTRAINT sandbox_instances_stop_reason CHECK (stop_reason IN
                        ('user_requested', 'expired', 'error', 'graceful_shutdown', 'admin', 'lost')),
  stop_graceful     boolean NOT NULL DEFAULT false,
  stop_deadline_at  timestamptz,
  status_detail     text,
  name              text,
  labels            jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
  image             text NOT NULL,
  template_id       text NOT NULL,
  cpu               double precision NOT NULL,
  memory_bytes      bigint NOT NULL,
  pids              bigint NOT NULL,
  installation      text NOT NULL,
  version           bigint NOT NULL DEFAULT 1,
  CONSTRAINT sandbox_instances_end CHECK
    (status NOT IN ('stopped', 'failed', 'expired') OR (stopped_at IS NOT NULL AND stop_reason IS NOT NULL))
);

COMMENT ON TABLE sandbox_instances IS 'Every sandbox that there was; ended ones are history.';
COMMENT ON COLUMN sandbox_instances.installation IS 'Whose container engine it lives on.';
COMMENT ON COLUMN sandbox_instances.version IS 'Counts changes: the key of compare-and-swap.';

CREATE INDEX sandbox_instances_newest ON sandbox_instances (created_at DESC, sandbox_id DESC);
CREATE INDEX sandbox_instances_user ON sandbox_instances (user_id, created_at DESC, sandbox_id DESC);
CREATE INDEX sandbox_instances_status_newest
  ON sandbox_instances (status, created_at DESC, sandbox_id DESC);
CREATE INDEX sandbox_instances_expiry ON sandbox_instances (installation, expires_at)
  WHERE status IN ('creating', 'starting', 'ready', 'running', 'shutting_down');
CREATE INDEX sandbox_instances_ended ON sandbox_instances (stopped_at)
  WHERE status IN ('stopped', 'failed', 'expired');
CREATE INDEX sandbox_instances_labels ON sandbox_instances USING gin (labels jsonb_path_ops);

-- Whoever changes a row without saying so (by hand, from a dashboard) is noticed by the
-- orchestrators all the same. A heartbeat is no change.
CREATE FUNCTION matrx_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
    NEW.updated_at := now();
  END IF;
  IF NEW.version IS NOT DISTINCT FROM OLD.version THEN
    NEW.version := OLD.version + 1;
  END IF;
  RETURN NEW;
END;
$$;

CREATE TRIGGER sandbox_instances_note_change
  BEFORE UPDATE OF user_id, status, container_id, hot_path, cold_path, config, ttl_seconds,
    expires_at, stopped_at, stop_reason, stop_graceful, stop_deadline_at, status_detail, name,
    labels, image, template_id, cpu, memory_bytes, pids, installation
  ON sandbox_instances FOR EACH ROW EXECUTE FUNCTION matrx_note_change();

COMMIT;
