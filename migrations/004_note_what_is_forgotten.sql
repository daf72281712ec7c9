-- Version 4: what is forgotten, what must not be yet, a database restored from a dump, and values that
-- hands have written and no orchestrator can read.
BEGIN;

-- In the order in which the orchestrators lock them.
LOCK TABLE sandbox_instances, sandbox_events IN ACCESS EXCLUSIVE MODE;

INSERT INTO matrx_schema (version) VALUES (4);

ALTER TABLE matrx_hosts ADD COLUMN clean_at timestamptz;
COMMENT ON COLUMN matrx_hosts.clean_at IS
  'Of what had ended by then no container was left there. Later rows are kept.';

-- What the cursors of the live feed are measured by.
CREATE TABLE matrx_feed (
  only_row           boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  generation         bigint NOT NULL DEFAULT 1,
  forgotten_xid      xid8 NOT NULL DEFAULT '0',
  forgotten_event_id bigint NOT NULL DEFAULT 0
);
INSERT INTO matrx_feed DEFAULT VALUES;
COMMENT ON COLUMN matrx_feed.generation IS 'Part of each cursor: others have to begin anew.';
COMMENT ON COLUMN matrx_feed.forgotten_event_id IS
  'Up to there events are missing: who read up to an earlier one has to begin anew.';

-- Whoever deletes needs no right to this table.
CREATE FUNCTION matrx_note_forgotten() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  newest record;
BEGIN
  SELECT xid, event_id INTO newest FROM gone ORDER BY xid DESC, event_id DESC LIMIT 1;
  IF FOUND THEN
    UPDATE matrx_feed SET forgotten_xid = newest.xid, forgotten_event_id = newest.event_id
      WHERE (forgotten_xid, forgotten_event_id) < (newest.xid, newest.event_id);
  END IF;
  RETURN NULL;
END;
$$;
CREATE TRIGGER sandbox_events_forgotten AFTER DELETE ON sandbox_events
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION matrx_note_forgotten();

CREATE FUNCTION matrx_begin_feed_anew() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE matrx_feed SET generation = generation + 1;
  RETURN NULL;
END;
$$;
CREATE TRIGGER sandbox_events_truncated AFTER TRUNCATE ON sandbox_events
  FOR EACH STATEMENT EXECUTE FUNCTION matrx_begin_feed_anew();

-- A dump that is restored into another server brings transaction numbers which are yet to come
-- there. This puts those events before all that follow; to be called once after the restore.
CREATE OR REPLACE FUNCTION matrx_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('matrx.restoring', true) = 'on' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'sandbox_events is append-only';
END;
$$;

CREATE FUNCTION matrx_after_restore() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('matrx.restoring', 'on', true);
  UPDATE sandbox_events SET xid = '1' WHERE xid >= pg_snapshot_xmin(pg_current_snapshot());
  UPDATE matrx_feed SET generation = generation + 1, forgotten_xid = '0', forgotten_event_id = 0;
  PERFORM set_config('matrx.restoring', 'off', true);
END;
$$;
REVOKE EXECUTE ON FUNCTION matrx_after_restore() FROM PUBLIC;

-- A label is a text, and a time is a moment. Rows are written by hand, too.
UPDATE sandbox_instances SET labels =
    (SELECT jsonb_object_agg(key, coalesce(value #>> '{}', 'null')) FROM jsonb_each(labels))
  WHERE jsonb_path_exists(labels, 'strict $.* ? (@.type() != "string")');
ALTER TABLE sandbox_instances
  ADD CONSTRAINT sandbox_instances_labels_are_texts
    CHECK (NOT jsonb_path_exists(labels, 'strict $.* ? (@.type() != "string")')),
  ADD CONSTRAINT sandbox_instances_times_are_moments
    CHECK (isfinite(created_at) AND isfinite(updated_at) AND isfinite(expires_at)
      AND isfinite(coalesce(last_heartbeat_at, created_at))
      AND isfinite(coalesce(stopped_at, created_at))
      AND isfinite(coalesce(stop_deadline_at, created_at)));

-- On Supabase, where new tables are open to everybody until somebody closes them.
DO $$
BEGIN
  IF to_regprocedure('auth.uid()') IS NOT NULL THEN
    ALTER TABLE matrx_feed ENABLE ROW LEVEL SECURITY;
    REVOKE ALL ON matrx_feed FROM anon, authenticated;
    GRANT ALL ON matrx_feed TO service_role;
  END IF;
END;
$$;

COMMIT;
