"""The registry in Postgres: wrong set-ups, several orchestrators, an outage, row-level security."""
import concurrent.futures
import re
import subprocess
import threading
import time

import httpx
import pytest
from orchestrator import wait_for
from patience import patience
from servers import Pooler, TcpLine
from test_crash import agree
from test_live_feed import Follower

pytestmark = pytest.mark.integration


def on(database, **settings):
    return {"MATRX_SANDBOX_STORE": "postgres", "MATRX_DATABASE_URL": database, **settings}


def refused(one):
    """The one line with which it refuses to start."""
    done = subprocess.run(one.command(), env=one.environment(), capture_output=True, text=True,
                          timeout=patience(30), check=False)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def waits(one, dependency):
    """What an orchestrator says that is up and waits for one of the things it needs."""
    def told():
        answer = one.request("GET", "/health/ready")
        states = {each["name"]: each for each in answer.json()["dependencies"]}
        return answer.status_code == 503 and "cannot be reached" in (states[dependency].get("detail") or "") and \
            states[dependency]["detail"]
    detail = wait_for(f"a start that waits for its {dependency}", told)
    assert one.request("GET", "/health").status_code == 200
    assert one.process.poll() is None
    return detail


# --- Wrong set-ups ---

@pytest.mark.parametrize("url, words", [
    ("", "MATRX_DATABASE_URL is empty"),
    ("postgresql://u:secret-4711/@127.0.0.1/x", "cannot be read as a Postgres URL"),
    ("postgresql://u:se@cret-4711@127.0.0.1/x", "cannot be read as a Postgres URL"),
    ("postgresql://u@127.0.0.1/x?secret-4711=1", "cannot be read as a Postgres URL"),
])
def test_wrong_url(own, url, words):
    line = refused(own(**on(url)))
    assert "MATRX_DATABASE_URL" in line and words in line
    assert "4711" not in line and "cret" not in line


@pytest.mark.parametrize("url", ["postgresql://u:secret-4711@127.0.0.1:1/x",
                                 "postgresql://u:secret-4711@no-such-host.invalid/x"])
def test_a_server_that_is_away_is_waited_for(own, url):
    one = own(**on(url)).launch_and_listen()
    told = waits(one, "store")
    assert "MATRX_DATABASE_URL" in told and "cannot be reached" in told
    assert "4711" not in one.log() and "cret" not in told
    assert one.stop() == 0


def test_a_start_waits_for_the_database(own, postgres, database):
    postgres.stop()
    try:
        one = own(**on(database)).launch_and_listen()
        waits(one, "store")
        assert one.request("GET", "/sandboxes").status_code == 503
        assert one.request("POST", "/sandboxes", json={"user_id": "user-1"}).status_code == 503
    finally:
        postgres.start()
    wait_for("ready", lambda: one.request("GET", "/health/ready").status_code == 200)
    assert one.destroy(one.create()["sandbox_id"]).status_code == 204
    assert "the start waits for what it needs" in one.log() and one.log().count("orchestrator ready") == 1


def test_a_database_that_does_not_take_us_is_not_waited_for(own, database):
    line = refused(own(**on(re.sub(r"/test_\d+\?", "/no-such-database?", database))))
    assert "MATRX_DATABASE_URL" in line and "does not take us" in line and "no-such-database" in line


def test_unknown_store(own):
    line = refused(own(MATRX_SANDBOX_STORE="mongo"))
    assert "MATRX_SANDBOX_STORE" in line and "memory, sqlite or postgres" in line


def test_missing_and_wrong_schema(own, postgres):
    postgres.sql("CREATE DATABASE bare")
    url = postgres.url.replace("/matrx?", "/bare?")
    one = own(**on(url))
    assert "migrations/001_create_sandboxes.sql" in refused(one)
    postgres.apply("migrations/001_create_sandboxes.sql", url)
    assert "migrations/002_create_events.sql" in refused(one)
    postgres.apply("migrations/002_create_events.sql", url)
    postgres.apply("migrations/003_create_coordination.sql", url)
    postgres.apply("migrations/004_note_what_is_forgotten.sql", url)
    postgres.apply("migrations/005_keep_homes.sql", url)
    assert "migrations/006_pause_and_idle.sql" in refused(one)
    postgres.apply("migrations/006_pause_and_idle.sql", url)
    assert "migrations/007_close_definers.sql" in refused(one)
    postgres.apply("migrations/007_close_definers.sql", url)
    postgres.sql("DROP TABLE matrx_leases", url)
    assert "migrations/" in refused(one) and "matrx_leases" in refused(one)
    postgres.sql("INSERT INTO matrx_schema VALUES (99)", url)
    assert "newer orchestrator" in refused(one)


def test_a_role_that_may_not_write(own, postgres, database):
    postgres.sql("CREATE ROLE reader LOGIN")
    line = refused(own(**on(database.replace("matrx@", "reader@"))))
    assert "permission denied" in line


def test_the_password_is_in_no_log(own, postgres, database):
    postgres.sql("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'secret-4711'")
    one = own(**on(database.replace("matrx@", "keeper:secret-4711@"), MATRX_LOG_LEVEL="DEBUG"))
    one.start()
    postgres.stop()
    one.request("GET", "/sandboxes")
    postgres.start()
    assert "secret-4711" not in one.log()


def test_a_dump_from_another_server(own, database, postgres):
    """Transaction numbers that are yet to come here would hide events from the feed."""
    one = own(**on(database)).start()
    one.destroy(one.create()["sandbox_id"])
    one.stop()
    postgres.sql("INSERT INTO sandbox_events (sandbox_id, type, status, actor, xid) SELECT "
                 "sandbox_id, 'from-the-dump', 'stopped', 'test', '999999999999' FROM "
                 "sandbox_instances", database)
    assert "SELECT matrx_after_restore()" in refused(one)
    postgres.sql("SELECT matrx_after_restore()", database)
    one.start()
    follower = Follower(one)
    sandbox_id = one.create()["sandbox_id"]
    wait_for("events", lambda: "ready" in follower.types_of(sandbox_id))
    # Who followed the feed on the other server begins anew, from wherever that was.
    for cursor in ("999999999999-1", "1.999999999999-1", "1.3-1"):
        late = Follower(one, **{"Last-Event-ID": cursor})
        wait_for("the reset", lambda: ("reset", {}) in late.events)


def test_values_that_nobody_can_read_are_refused_or_skipped(own, database, postgres):
    one = own(**on(database)).start()
    sandbox_id, other = one.create()["sandbox_id"], one.create()["sandbox_id"]
    done = postgres.sql("UPDATE sandbox_instances SET expires_at = 'infinity'", database,
                        check=False)
    assert "sandbox_instances_times_are_moments" in done.stderr
    deep = '{"a":' * 40 + "1" + "}" * 40
    postgres.sql(f"UPDATE sandbox_instances SET config = '{deep}' "
                 f"WHERE sandbox_id = '{sandbox_id}'", database)
    assert [row["sandbox_id"] for row in one.rows()] == [other]
    assert "cannot be read" in one.log()
    assert one.run(other, "echo alive")["stdout"] == "alive\n"


def test_migrations_of_a_registry_in_use(own, postgres):
    """From the third version on, with what hands and time have left in it."""
    postgres.sql("CREATE DATABASE older")
    url = postgres.url.replace("/matrx?", "/older?")
    for number in ("001_create_sandboxes", "002_create_events", "003_create_coordination"):
        postgres.apply(f"migrations/{number}.sql", url)
    postgres.sql("""INSERT INTO sandbox_instances (sandbox_id, user_id, status, hot_path, cold_path,
        labels, ttl_seconds, expires_at, stopped_at, stop_reason, image, template_id, cpu,
        memory_bytes, pids, installation) VALUES ('sbx-000000000001', 'u', 'stopped', '/h', '/c',
        '{"a": 1, "b": null, "c": {"d": []}, "e": "x"}', 1, now(), now(), 'admin', 'i', 't', 1, 1,
        1, 'inst-0')""", url)
    for number in ("004_note_what_is_forgotten", "005_keep_homes", "006_pause_and_idle", "007_close_definers"):
        postgres.apply(f"migrations/{number}.sql", url)
    one = own(**on(url)).start()
    assert one.row("sbx-000000000001")["labels"] == {"a": "1", "b": "null", "c": '{"d": []}',
                                                     "e": "x"}
    assert one.row("sbx-000000000001")["storage_state"] == "none"


def test_a_row_deleted_by_hand_frees_its_key(own, database, postgres):
    one = own(**on(database)).start()
    create = lambda: one.request("POST", "/sandboxes", json={"user_id": "user-1"},  # noqa: E731
                                 headers={"Idempotency-Key": "the-key"}).json()["sandbox_id"]
    first = create()
    one.destroy(first, "?graceful=false")
    postgres.sql("DELETE FROM sandbox_instances", database)
    second = create()
    assert second != first and one.row(second)["status"] == "ready"
    assert create() == second
    one.destroy(second, "?graceful=false")
    postgres.sql("DELETE FROM sandbox_instances", database)
    other = one.request("POST", "/sandboxes", json={"user_id": "user-2"},
                        headers={"Idempotency-Key": "the-key"})
    assert other.status_code == 201


def test_words_of_a_row_are_not_in_the_log(own, database, postgres):
    one = own(**on(database)).start()
    postgres.sql("ALTER TABLE sandbox_instances ADD CHECK (user_id <> 'unwanted')", database)
    answer = one.request("POST", "/sandboxes",
                         json={"user_id": "unwanted", "config": {"token": "secret-4711"}})
    assert answer.status_code == 500
    assert "23514" in one.log() and "secret-4711" not in one.log()


def test_labels_by_hand_are_texts(own, database, postgres):
    one = own(**on(database)).start()
    sandbox_id = one.create()["sandbox_id"]
    done = postgres.sql("UPDATE sandbox_instances SET labels = '{\"a\": 1}'", database, check=False)
    assert "sandbox_instances_labels_are_texts" in done.stderr
    postgres.sql("UPDATE sandbox_instances SET labels = '{\"a\": \"1\"}'", database)
    assert one.row(sandbox_id)["labels"] == {"a": "1"}


# --- Several orchestrators ---

@pytest.fixture
def two(own, database):
    a = own(**on(database, MATRX_HOST_NAME="box-a", MATRX_SHUTDOWN_TIMEOUT_SECONDS="5")).start()
    b = own(**on(database, MATRX_HOST_NAME="box-b", MATRX_SHUTDOWN_TIMEOUT_SECONDS="5")).start()
    return a, b


def test_each_works_on_its_own_containers(two):
    a, b = two
    ours = a.create()["sandbox_id"]
    theirs = b.create()["sandbox_id"]
    assert {row["sandbox_id"] for row in a.rows()} == {ours, theirs}
    assert a.request("GET", "/health").json()["active_sandboxes"] == 1
    refused_exec = a.exec(theirs, "true")
    assert refused_exec.status_code == 409 and "box-b" in refused_exec.json()["detail"]
    beaten = a.request("POST", f"/sandboxes/{theirs}/heartbeat")
    assert beaten.status_code == 200 and b.row(theirs)["last_heartbeat_at"]
    extended = a.request("POST", f"/sandboxes/{theirs}/extend", json={"ttl_seconds": 80_000})
    assert extended.status_code == 200
    assert b.row(theirs)["expires_at"] == extended.json()["expires_at"]
    # Each reconciles, and leaves the other's alone.
    for one in two:
        one.stop()
        one.start()
    assert b.run(theirs, "echo alive")["stdout"] == "alive\n"
    assert a.run(ours, "echo alive")["stdout"] == "alive\n"


def test_destroyed_through_the_other(two):
    a, b = two
    theirs = b.create()["sandbox_id"]
    assert a.destroy(theirs).status_code == 204
    assert b.containers() == []
    row = a.row(theirs)
    assert (row["status"], row["stop_reason"]) == ("stopped", "user_requested")


def test_a_stop_for_a_host_that_is_away(two):
    a, b = two
    theirs = b.create()["sandbox_id"]
    b.kill9()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(a.destroy, theirs)
        wait_for("the intent", lambda: a.row(theirs)["status"] == "shutting_down")
        b.start()
        assert waiting.result().status_code == 204
    assert b.containers() == []


def test_one_key_one_sandbox(two, record_property):
    """1,000 creates at once, over both orchestrators, with one idempotency key."""
    statuses, ids = [], set()

    def create(number):
        answer = two[number % 2].request(
            "POST", "/sandboxes", json={"user_id": "user-1"}, timeout=120,
            headers={"Idempotency-Key": "the-key"})
        return answer.status_code, answer.json().get("sandbox_id")

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for status, sandbox_id in pool.map(create, range(1000)):
            statuses.append(status)
            ids.add(sandbox_id)
    assert statuses == [201] * 1000
    assert len(ids) == 1
    assert two[0].total() == 1
    assert len(two[0].containers()) + len(two[1].containers()) == 1
    other = two[0].request("POST", "/sandboxes", json={"user_id": "user-2"},
                           headers={"Idempotency-Key": "the-key"})
    assert other.status_code == 409
    spaced = two[0].request("POST", "/sandboxes", content=b'{ "user_id" : "user-1" }',
                            headers={"Idempotency-Key": "the-key"})
    assert spaced.json()["sandbox_id"] in ids


# --- Outage ---

def test_the_database_is_away_for_twenty_seconds(own, database, postgres):
    one = own(**on(database, MATRX_SHUTDOWN_TIMEOUT_SECONDS="3")).start()
    before = [one.create()["sandbox_id"] for _ in range(3)]
    answers, over = [], threading.Event()

    def load():
        while not over.is_set():
            try:
                answer = one.request("POST", "/sandboxes", json={"user_id": "user-1"})
                answers.append(answer.status_code)
                if answer.status_code == 201:
                    deleted = one.destroy(answer.json()["sandbox_id"], "?graceful=false")
                    assert deleted.status_code in (204, 503), deleted.text
                else:
                    time.sleep(0.05)
            except httpx.HTTPError as error:
                answers.append(repr(error))

    workers = [threading.Thread(target=load) for _ in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(2)
    postgres.stop()
    began = time.monotonic()
    health, ready = [], []
    while time.monotonic() < began + 20:
        health.append(one.request("GET", "/health").status_code)
        ready.append(one.request("GET", "/health/ready").status_code)
        time.sleep(1)
    postgres.start()
    wait_for("recovery by itself",
             lambda: one.request("GET", "/health/ready").status_code == 200)
    time.sleep(2)
    over.set()
    for worker in workers:
        worker.join()
    assert set(answers) == {201, 503}
    assert set(health) == {200} and ready[2:] == [503] * len(ready[2:])
    wait_for("agreement", lambda: agree(one), 40)
    usable = {row["sandbox_id"] for row in one.rows() if row["status"] in ("ready", "running")}
    assert set(before) <= usable
    for sandbox_id in before:
        assert one.run(sandbox_id, "echo alive")["stdout"] == "alive\n"
    print(f"answers during the outage and around it: 201 {answers.count(201)} times, "
          f"503 {answers.count(503)} times")


def test_a_restart_of_the_database_costs_no_request(own, database, postgres):
    """Its farewell on the idle connections is heard before they are used again."""
    one = own(**on(database)).start()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: one.total(), range(32)))  # makes idle connections
    postgres.restart()
    # Somebody who tried in between has others wait for a moment.
    wait_for("the database again", lambda: one.request("GET", "/health/ready").status_code == 200)
    assert [one.request("GET", "/sandboxes").status_code for _ in range(8)] == [200] * 8


@pytest.fixture
def wire(database):
    """A line to the database that can be made slow, or cut without a word."""
    line = TcpLine(database)
    yield line
    line.close()


def test_a_database_that_moves_away_silently_costs_one_request(own, wire):
    one = own(**on(wire.url)).start()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: one.total(), range(64)))
    wire.silence()  # what is connected hears nothing any more; new connections work
    one.request("GET", "/sandboxes")
    assert [one.request("GET", "/sandboxes").status_code for _ in range(8)] == [200] * 8


def test_notifications_are_heard_where_signing_in_is_slow(own, wire, database, postgres):
    wire.delay_seconds = 1.5  # longer than one round of the feed waits
    own(**on(wire.url)).start()
    listening = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                 "AND query = 'LISTEN matrx_events'")
    wait_for("a listener", lambda: postgres.sql(listening, database) == "1", 30)


# --- A transaction pooler in between ---

def test_through_a_transaction_pooler(own, database):
    pooler = Pooler(database)
    try:
        a = own(**on(pooler.url, MATRX_SHUTDOWN_TIMEOUT_SECONDS="5")).start()
        b = own(**on(pooler.url, MATRX_SHUTDOWN_TIMEOUT_SECONDS="5")).start()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: (a, b)[n % 2].create()["sandbox_id"], range(8)))
            outputs = list(pool.map(lambda n: (a, b)[n % 2].run(made[n], f"echo {n}")["stdout"],
                                    range(8)))
            assert outputs == [f"{n}\n" for n in range(8)]
            # Each through the one that does not have it: found by polling, as no notification
            # arrives through the pooler.
            gone = list(pool.map(lambda n: (b, a)[n % 2].destroy(made[n]).status_code, range(8)))
        assert gone == [204] * 8
        assert a.containers() == [] and b.containers() == []
        assert "prepared statement" not in a.log() + b.log()
    finally:
        pooler.close()


# --- Functions that run as their owner ---

# Tables and triggers of a caller's own, under the names that those functions use.
AMBUSH = """
CREATE FUNCTION pg_temp.ambush() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; RETURN NEW; END; $$;
CREATE TEMP TABLE matrx_feed (generation bigint DEFAULT 1, forgotten_xid xid8 DEFAULT '0',
                              forgotten_event_id bigint DEFAULT 0);
INSERT INTO matrx_feed DEFAULT VALUES;
GRANT ALL ON matrx_feed TO PUBLIC;
CREATE TRIGGER ambush BEFORE UPDATE ON matrx_feed FOR EACH ROW EXECUTE FUNCTION pg_temp.ambush();
"""


def test_who_may_delete_does_not_become_the_owner(database, postgres):
    postgres.sql("CREATE ROLE mallory LOGIN")
    postgres.sql("""INSERT INTO sandbox_instances (sandbox_id, user_id, hot_path, cold_path, ttl_seconds, expires_at,
        image, template_id, cpu, memory_bytes, pids, installation)
        VALUES ('sbx-000000000001', 'u', '/h', '/c', 1, now(), 'i', 't', 1, 1, 1, 'inst-0');
        INSERT INTO sandbox_events (sandbox_id, type, status, actor)
        VALUES ('sbx-000000000001', 'created', 'creating', 'test');
        GRANT SELECT, DELETE, TRUNCATE ON sandbox_events TO mallory""", database)
    theirs = database.replace("matrx@", "mallory@")
    for act in ("DELETE FROM sandbox_events", "TRUNCATE sandbox_events"):
        postgres.sql(AMBUSH + act, theirs, check=False)
        assert postgres.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'") == "f", act
    # What they are for works all the same, without a right to the table that they change.
    kept = postgres.sql("SELECT generation, forgotten_event_id FROM matrx_feed", database)
    assert kept == "2|1"


def test_every_function_that_runs_as_its_owner_looks_into_pg_temp_last(database, postgres):
    found = postgres.sql("SELECT proname, array_to_string(proconfig, ';') FROM pg_proc WHERE prosecdef "
                         "AND pronamespace = 'public'::regnamespace", database).splitlines()
    assert len(found) >= 2
    for line in found:
        assert line.endswith("search_path=pg_catalog, public, pg_temp"), line


# --- Row-level security ---

SUPABASE = """
CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
"""
SUPABASE_SCHEMA = """
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '') $$;
GRANT USAGE ON SCHEMA auth, public TO anon, authenticated, service_role;
GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO anon, authenticated, service_role;
CREATE PUBLICATION supabase_realtime;
"""


def test_row_level_security(own, database, postgres):
    postgres.sql(SUPABASE)
    rls = "migrations/supabase/001_row_level_security.sql"
    postgres.apply(rls, database)  # without auth.uid(): changes nothing
    count = "SELECT count(*) FROM pg_policies WHERE tablename LIKE 'sandbox%'"
    assert postgres.sql(count, database) == "0"
    postgres.sql(SUPABASE_SCHEMA, database)
    postgres.apply(rls, database)
    postgres.apply(rls, database)  # again: the same
    for role in ("anon", "authenticated"):
        may = f"SELECT count(*) FROM pg_proc WHERE proname = 'matrx_after_restore' AND " \
              f"has_function_privilege('{role}', oid, 'EXECUTE')"
        assert postgres.sql(may, database) == "0"
    one = own(**on(database)).start()
    alice, bob = (one.create(user_id=user)["sandbox_id"] for user in ("alice", "bob"))

    def as_user(user, text, role="authenticated"):
        return postgres.sql(f"SET request.jwt.claim.sub = '{user}'; SET ROLE {role}; {text}",
                            database, check=False)

    own_rows = as_user("alice", "SELECT sandbox_id FROM sandbox_instances")
    assert own_rows.stdout.split() == [alice]
    assert as_user("bob", "SELECT DISTINCT sandbox_id FROM sandbox_events").stdout.split() == [bob]
    assert as_user("nobody", "SELECT sandbox_id FROM sandbox_instances").stdout.split() == []
    for user, role in (("alice", "authenticated"), ("", "anon")):
        for text in ("UPDATE sandbox_instances SET status = 'failed'",
                     "DELETE FROM sandbox_instances", "DELETE FROM sandbox_events",
                     "TRUNCATE sandbox_instances CASCADE",
                     "INSERT INTO sandbox_events (sandbox_id, type, status, actor) "
                     f"VALUES ('{alice}', 'x', 'x', 'x')",
                     "SELECT * FROM matrx_idempotency_keys", "SELECT * FROM matrx_hosts"):
            done = as_user(user, text, role)
            assert done.returncode != 0 and "permission denied" in done.stderr, text
    assert as_user("", "SELECT * FROM sandbox_instances", "anon").returncode != 0
    renamed = as_user("", f"UPDATE sandbox_instances SET name = 'n' WHERE sandbox_id = '{alice}' "
                          "RETURNING name", "service_role")
    assert renamed.stdout.strip() == "n"
    published = postgres.sql("SELECT tablename FROM pg_publication_tables", database)
    assert published == "sandbox_instances"


def test_a_change_by_hand_is_not_overwritten(own, database, postgres):
    """Somebody edits a row in the database: the version rises, compare-and-swap notices."""
    one = own(**on(database)).start()
    sandbox = one.create()
    state = "SELECT version, updated_at FROM sandbox_instances"
    before = postgres.sql(state, database)
    postgres.sql("UPDATE sandbox_instances SET name = 'by hand'", database)
    after = postgres.sql(state, database)
    assert int(after.split("|")[0]) == int(before.split("|")[0]) + 1
    assert after.split("|")[1] > before.split("|")[1]
    assert one.run(sandbox["sandbox_id"], "echo ok")["stdout"] == "ok\n"
    assert one.row(sandbox["sandbox_id"])["name"] == "by hand"
    refused_update = postgres.sql("UPDATE sandbox_events SET detail = 'x'", database, check=False)
    assert "append-only" in refused_update.stderr
