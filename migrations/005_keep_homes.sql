-- Version 5: what has become of each home.
BEGIN;

INSERT INTO matrx_schema (version) VALUES (5);

ALTER TABLE sandbox_instances
  ADD COLUMN storage_state text NOT NULL DEFAULT 'none'
    CONSTRAINT sandbox_instances_storage_state
    CHECK (storage_state IN ('none', 'active', 'pending', 'saved')),
  ADD COLUMN storage_detail text;

COMMENT ON COLUMN sandbox_instances.storage_state IS
  'Of the home: none = nothing to save, active = in use, pending = ended and not saved yet, saved.';

CREATE INDEX sandbox_instances_unsaved ON sandbox_instances (user_id)
  WHERE storage_state IN ('active', 'pending');

DROP TRIGGER sandbox_instances_note_change ON sandbox_instances;
CREATE TRIGGER sandbox_instances_note_change
  BEFORE UPDATE OF user_id, status, container_id, hot_path, cold_path, config, ttl_seconds,
    expires_at, stopped_at, stop_reason, stop_graceful, stop_deadline_at, status_detail, name,
    labels, image, template_id, cpu, memory_bytes, pids, installation, storage_state, storage_detail
  ON sandbox_instances FOR EACH ROW EXECUTE FUNCTION matrx_note_change();

COMMIT;
