-- Version 6: sandboxes that stand still, and those that end when nothing happens in them.
BEGIN;

INSERT INTO matrx_schema (version) VALUES (6);

ALTER TABLE sandbox_instances
  ADD COLUMN paused_at timestamptz,
  ADD COLUMN idle_timeout_seconds integer NOT NULL DEFAULT 0
    CONSTRAINT sandbox_instances_idle_timeout CHECK (idle_timeout_seconds >= 0),
  ADD COLUMN last_active_at timestamptz;

COMMENT ON COLUMN sandbox_instances.paused_at IS
  'Set: its processes are to stand still. It expires all the same.';
COMMENT ON COLUMN sandbox_instances.last_active_at IS
  'When something last happened in it, as far as written down; up to half a minute late.';

DROP TRIGGER sandbox_instances_note_change ON sandbox_instances;
CREATE TRIGGER sandbox_instances_note_change
  BEFORE UPDATE OF user_id, status, container_id, hot_path, cold_path, config, ttl_seconds,
    expires_at, stopped_at, stop_reason, stop_graceful, stop_deadline_at, status_detail, name,
    labels, image, template_id, cpu, memory_bytes, pids, installation, storage_state,
    storage_detail, paused_at, idle_timeout_seconds
  ON sandbox_instances FOR EACH ROW EXECUTE FUNCTION matrx_note_change();

COMMIT;
