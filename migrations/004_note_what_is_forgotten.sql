-- Version 4: what is forgotten, what must not be yet, and a database restored from a dump.
BEGIN;

INSERT INTO matrx_schema (version) VALUES (4);

ALTER TABLE matrx_hosts ADD COLUMN clean_at timestamptz;
COMMENT ON COLUMN matrx_hosts.clean_at IS
  'When no container of an ended row was left there. Without that, its rows are kept.';

-- Up to where the live feed has gaps: who read it up to an earlier point has to begin anew.
CREATE TABLE matrx_feed (
  only_row           boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  forgotten_xid      xid8 NOT NULL DEFAULT '0',
  forgotten_event_id bigint NOT NULL DEFAULT 0
);
INSERT INTO matrx_feed DEFAULT VALUES;

CREATE FUNCTION matrx_note_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
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
  UPDATE matrx_feed SET forgotten_xid = '1', forgotten_event_id = 9223372036854775807;
  PERFORM set_config('matrx.restoring', 'off', true);
END;
$$;

REVOKE EXECUTE ON FUNCTION matrx_after_restore() FROM PUBLIC;

-- A label is a text. Rows are written by hand, too.
ALTER TABLE sandbox_instances ADD CONSTRAINT sandbox_instances_labels_are_texts
  CHECK (NOT jsonb_path_exists(labels, '$.* ? (@.type() != "string")'));

COMMIT;
