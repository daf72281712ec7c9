"""The registry with 100,000 rows: start, list, reconcile, memory; on SQLite and on Postgres."""
import json
import os
import pathlib
import re
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROWS = 100_000
COLUMNS = ("sandbox_id, user_id, status, container_id, image, template_id, name, labels, config, "
           "cpu, memory_bytes, pids, ttl_seconds, hot_path, cold_path, created_at, updated_at, "
           "expires_at, stopped_at, stop_reason, stop_graceful, status_detail, installation, version")


def start(build, environment):
    """A release orchestrator; returns it with its port and the seconds until it was ready."""
    log = tempfile.NamedTemporaryFile("w+", suffix=".log")
    begun = time.monotonic()
    process = subprocess.Popen([f"{build}/bin/matrx-orchestrator"], env=environment, stdout=log,
                               stderr=log)
    while True:
        text = pathlib.Path(log.name).read_text()
        if found := re.search(r'"orchestrator ready".*?"port":(\d+)', text):
            return process, int(found.group(1)), time.monotonic() - begun, log
        if process.poll() is not None:
            raise RuntimeError(text)
        time.sleep(0.002)


def stop(process):
    process.terminate()
    process.wait(30)


def fill_sqlite(path):
    now = int(time.time() * 1000)
    database = sqlite3.connect(path)
    rows = ((f"sbx-{i:012x}", f"user-{i % 1000}", "stopped", f"c{i}", "image", "default", "",
             json.dumps({"team": f"t{i % 50}"}), "{}", 2.0, 1 << 32, 1024, 7200, "/home/agent",
             "/data/cold", now - i * 1000, now - i * 1000, now, now - i * 500, "user_requested", 0,
             "", "elsewhere", 5) for i in range(ROWS))
    marks = ",".join("?" * (COLUMNS.count(",") + 1))
    database.executemany(f"INSERT INTO sandbox_instances ({COLUMNS}) VALUES ({marks})", rows)
    events = ((f"sbx-{i // 3:012x}", now - i, "changed", "ready", "bench")
              for i in range(3 * ROWS))
    database.executemany("INSERT INTO sandbox_events (sandbox_id, at, type, status, actor) "
                         "VALUES (?,?,?,?,?)", events)
    database.commit()
    database.close()


def fill_postgres(url):
    sql = f"""
      INSERT INTO sandbox_instances ({COLUMNS})
      SELECT 'sbx-' || lpad(to_hex(i), 12, '0'), 'user-' || i % 1000, 'stopped', 'c' || i, 'image',
        'default', NULL, jsonb_build_object('team', 't' || i % 50), '{{}}', 2, 1::bigint << 32, 1024,
        7200, '/home/agent', '/data/cold', now() - i * interval '1 s', now() - i * interval '1 s',
        now(), now() - i * interval '0.5 s', 'user_requested', false, NULL, 'elsewhere', 5
      FROM generate_series(0, {ROWS - 1}) i;
      INSERT INTO sandbox_events (sandbox_id, type, status, actor)
      SELECT 'sbx-' || lpad(to_hex(i / 3), 12, '0'), 'changed', 'ready', 'bench'
      FROM generate_series(0, {3 * ROWS - 1}) i;
      ANALYZE;"""
    subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", url, "-c", sql], check=True)


def timed_get(port, path, times=40):
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            body = answer.read()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took), json.loads(body)


def measure(build, store, url, fill):
    data = tempfile.mkdtemp(prefix="matrx-bench-")
    environment = {**os.environ, "MATRX_PORT": "0", "MATRX_HOST": "127.0.0.1",
                   "MATRX_DATA_DIR": data, "MATRX_SANDBOX_STORE": store, "MATRX_LOG_LEVEL": "DEBUG",
                   "MATRX_LOG_FORMAT": "json", "MATRX_DATABASE_URL": url,
                   "MATRX_HEALTHCHECK_INTERVAL_SECONDS": "1", "MATRX_DOCKER_NETWORK": "matrx-bench",
                   "MATRX_HISTORY_RETENTION_DAYS": "0", "MATRX_FIREWALL": "off"}
    process, port, empty_start, _ = start(build, environment)
    empty_list, _ = timed_get(port, "/sandboxes")
    stop(process)
    fill(url or f"{data}/registry.db")
    process, port, full_start, log = start(build, environment)
    first, page = timed_get(port, "/sandboxes")
    cursor = page["next_cursor"]
    for _ in range(20):
        _, page = timed_get(port, f"/sandboxes?limit=1000&cursor={cursor}", 1)
        cursor = page["next_cursor"]
    deep, _ = timed_get(port, f"/sandboxes?cursor={cursor}")
    by_user, _ = timed_get(port, "/sandboxes?user_id=user-7")
    by_label, _ = timed_get(port, "/sandboxes?label=team:t7")
    time.sleep(3)
    rounds = [float(ms) for ms in re.findall(r'"reconciled".*?"duration_ms":([0-9.]+)',
                                             pathlib.Path(log.name).read_text())]
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    memory = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
    stop(process)
    shutil.rmtree(data, ignore_errors=True)
    return [
        (f"{store}: start to ready", f"{full_start * 1000:.0f} ms", f"empty {empty_start * 1000:.0f} ms"),
        (f"{store}: list, newest 100, p50", f"{first:.1f} ms", f"empty {empty_list:.1f} ms"),
        (f"{store}: list, page after 20,000 others, p50", f"{deep:.1f} ms", f"first page {first:.1f} ms"),
        (f"{store}: list of one user, p50", f"{by_user:.1f} ms", ""),
        (f"{store}: list by label, p50", f"{by_label:.1f} ms", ""),
        (f"{store}: one round of reconciliation", f"{statistics.median(rounds):.1f} ms", ""),
        (f"{store}: memory", f"{memory:.1f} MB", ""),
    ]


def report(build):
    rows = measure(build, "sqlite", "", fill_sqlite)
    if url := os.environ.get("MATRX_TEST_DATABASE_URL"):
        rows += measure(build, "postgres", url, fill_postgres)
    lines = ["", f"## A registry of {ROWS:,} ended sandboxes and {3 * ROWS:,} events", "",
             "Whole requests over HTTP; each listing also counts the total.", "",
             "| what | measured | beside |", "|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


if __name__ == "__main__":
    print(report("build/release"))
