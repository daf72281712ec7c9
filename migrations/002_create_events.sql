-- Version 2: what happened to each sandbox, in order, and the live feed.
BEGIN;

INSERT INTO matrx_schema (version) VALUES (2);

CREATE TABLE sandbox_events (
  event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sandbox_id text NOT NULL REFERENCES sandbox_instances (sandbox_id) ON DELETE CASCADE,
  at         timestamptz NOT NULL DEFAULT now(),
  type       text NOT NULL,
  status     text NOT NULL,
  actor      text NOT NULL,
  detail     text NOT NULL DEFAULT '',
  xid        xid8 NOT NULL DEFAULT pg_current_xact_id()
);

COMMENT ON TABLE sandbox_events IS 'Append-only; goes when its sandbox is forgotten.';
COMMENT ON COLUMN sandbox_events.xid IS
  'Orders the feed: event ids are handed out before the commit, so a smaller one may appear later.';

CREATE INDEX sandbox_events_of_sandbox ON sandbox_events (sandbox_id, event_id);
CREATE INDEX sandbox_events_feed ON sandbox_events (xid, event_id);

CREATE FUNCTION matrx_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'sandbox_events is append-only';
END;
$$;
CREATE TRIGGER sandbox_events_append_only BEFORE UPDATE ON sandbox_events
  FOR EACH ROW EXECUTE FUNCTION matrx_refuse_change();

CREATE FUNCTION matrx_tell_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY matrx_events;
  RETURN NULL;
END;
$$;
CREATE TRIGGER sandbox_events_tell AFTER INSERT ON sandbox_events
  FOR EACH STATEMENT EXECUTE FUNCTION matrx_tell_events();

COMMIT;
