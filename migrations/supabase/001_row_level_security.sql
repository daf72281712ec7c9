-- For Supabase, after the numbered migrations: users read their own sandboxes directly, and follow
-- them live. Does nothing where there is no auth.uid(). Can be applied again.
--
-- Writes: by the service role only, which passes row-level security; so do the owner of the tables
-- and the role of the orchestrators, if it is the owner or has BYPASSRLS.
DO $$
BEGIN
  IF to_regprocedure('auth.uid()') IS NULL THEN
    RAISE NOTICE 'auth.uid() does not exist: not Supabase, nothing changed';
    RETURN;
  END IF;

  ALTER TABLE sandbox_instances ENABLE ROW LEVEL SECURITY;
  ALTER TABLE sandbox_events ENABLE ROW LEVEL SECURITY;
  ALTER TABLE matrx_schema ENABLE ROW LEVEL SECURITY;
  ALTER TABLE matrx_hosts ENABLE ROW LEVEL SECURITY;
  ALTER TABLE matrx_leases ENABLE ROW LEVEL SECURITY;
  ALTER TABLE matrx_idempotency_keys ENABLE ROW LEVEL SECURITY;
  ALTER TABLE matrx_feed ENABLE ROW LEVEL SECURITY;

  DROP POLICY IF EXISTS sandbox_instances_own ON sandbox_instances;
  CREATE POLICY sandbox_instances_own ON sandbox_instances FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid())::text);
  DROP POLICY IF EXISTS sandbox_events_own ON sandbox_events;
  CREATE POLICY sandbox_events_own ON sandbox_events FOR SELECT TO authenticated
    USING (EXISTS (SELECT FROM sandbox_instances s WHERE s.sandbox_id = sandbox_events.sandbox_id
                   AND s.user_id = (SELECT auth.uid())::text));

  -- Supabase grants everything on new tables to these roles by default.
  REVOKE ALL ON sandbox_instances, sandbox_events, matrx_schema, matrx_hosts, matrx_leases,
    matrx_idempotency_keys, matrx_feed FROM anon, authenticated;
  GRANT SELECT ON sandbox_instances, sandbox_events TO authenticated;
  GRANT ALL ON sandbox_instances, sandbox_events, matrx_schema, matrx_hosts, matrx_leases,
    matrx_idempotency_keys, matrx_feed TO service_role;
  REVOKE ALL ON FUNCTION matrx_note_change(), matrx_refuse_change(), matrx_tell_events(),
    matrx_note_forgotten(), matrx_begin_feed_anew(), matrx_after_restore() FROM anon, authenticated;

  IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') AND NOT EXISTS (
       SELECT FROM pg_publication_tables
       WHERE pubname = 'supabase_realtime' AND tablename = 'sandbox_instances') THEN
    ALTER PUBLICATION supabase_realtime ADD TABLE sandbox_instances;
  END IF;
END;
$$;
