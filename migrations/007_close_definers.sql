-- Version 7: functions that run with their owner's rights look nothing up where a caller may put it.
BEGIN;

INSERT INTO matrx_schema (version) VALUES (7);

-- What a function names without a schema is looked for in pg_temp first, unless its search_path says
-- otherwise: whoever may delete could put a table of that name there, and have its triggers run as the
-- owner. pg_catalog first, then where our tables are, and what is temporary last.
DO $$
DECLARE
  routine regprocedure;
BEGIN
  FOR routine IN
    SELECT p.oid FROM pg_proc p
      WHERE p.prosecdef AND p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'matrx\_%'
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', routine,
                   current_schema());
  END LOOP;
END;
$$;

-- Supabase grants new functions to these roles by name, and what is revoked from PUBLIC leaves that.
DO $$
DECLARE
  routine regprocedure;
  stranger name;
BEGIN
  FOR routine IN
    SELECT p.oid FROM pg_proc p
      WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'matrx\_%'
  LOOP
    FOR stranger IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
      EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', routine, stranger);
    END LOOP;
    CONTINUE WHEN NOT (SELECT prosecdef FROM pg_proc WHERE oid = routine);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
  END LOOP;
END;
$$;

COMMIT;
