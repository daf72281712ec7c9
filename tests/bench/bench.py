#!/usr/bin/env python3
"""Benchmarks of the orchestrator: each figure beside its floor, measured in turns in one run.

    bench.py --build build/release [--write docs/benchmarks.md] [--quick]

Timings on shared machines are noisy: read the ratios, not the milliseconds.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import inside
import registry
import storage

DOCKER_SOCKET = "/var/run/docker.sock"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(self.path)


def call(connection, method, target, body=None, expect=(200, 201, 204)):
    """One exchange; returns the decoded body. Ends the run on an unexpected status."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, target, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    text = response.read()
    if response.status not in expect:
        sys.exit(f"{method} {target} answered {response.status}: {text[:300]!r}")
    if response.headers.get_content_type() == "application/json" and text:
        return json.loads(text)
    return text


class Orchestrator:
    """A release orchestrator with a data folder, a network and a port of its own."""

    def __init__(self, build):
        self.data = tempfile.mkdtemp(prefix="matrx-bench-")
        self.log = open(os.path.join(self.data, "log"), "w+")
        self.network = "matrx-bench"
        environment = dict(os.environ, MATRX_PORT="0", MATRX_HOST="127.0.0.1",
                           MATRX_SANDBOX_STORE="sqlite", MATRX_DATA_DIR=self.data,
                           MATRX_DOCKER_NETWORK=self.network, MATRX_LOG_FORMAT="json",
                           MATRX_FIREWALL="off")
        self.process = subprocess.Popen([os.path.join(build, "bin", "matrx-orchestrator")],
                                        env=environment, stdout=self.log, stderr=self.log)
        self.port = self._port()

    def _port(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            text = pathlib.Path(self.log.name).read_text()
            found = re.search(r'"orchestrator ready".*?"port":(\d+)', text)
            if found:
                return int(found.group(1))
            if self.process.poll() is not None:
                sys.exit("the orchestrator did not start: " + text)
            time.sleep(0.05)
        sys.exit("the orchestrator did not become ready")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def create(self, connection):
        return call(connection, "POST", "/sandboxes", {"user_id": "bench"})

    def stop(self):
        connection = self.connect()
        for row in call(connection, "GET", "/sandboxes?limit=1000")["sandboxes"]:
            if row["status"] in ("ready", "running"):
                call(connection, "DELETE", f"/sandboxes/{row['sandbox_id']}?graceful=false")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        subprocess.run(["docker", "network", "rm", self.network], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.data, ignore_errors=True)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def timed_ms(action):
    begun = time.perf_counter()
    result = action()
    return (time.perf_counter() - begun) * 1000, result


def resident_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def docker_exec(container):
    """echo hi through Docker's exec API: create, start, read to the end."""
    docker = UnixConnection(DOCKER_SOCKET)
    made = call(docker, "POST", f"/v1.41/containers/{container}/exec",
                {"AttachStdout": True, "AttachStderr": True, "User": "agent",
                 "Cmd": ["bash", "-c", "echo hi"]})
    call(docker, "POST", f"/v1.41/exec/{made['Id']}/start", {"Detach": False, "Tty": False})
    docker.close()


def measure_exec(orchestrator, rounds):
    client = orchestrator.connect()
    sandbox = orchestrator.create(client)
    agent = UnixConnection(f"{orchestrator.data}/sandboxes/{sandbox['sandbox_id']}/run/agent.sock")
    request = {"command": "echo hi", "user": "agent", "timeout_ms": 30000,
               "output_bytes_max": 100000}
    ours, bare, docker = [], [], []
    for i in range(rounds + 10):
        a, _ = timed_ms(lambda: call(client, "POST", f"/sandboxes/{sandbox['sandbox_id']}/exec",
                                     {"command": "echo hi"}))
        b, _ = timed_ms(lambda: call(agent, "POST", "/matrx/exec", request))
        if i < 10:  # connections, page cache, branch predictors
            continue
        ours.append(a)
        bare.append(b)
        if i % 10 == 0:
            docker.append(timed_ms(lambda: docker_exec(sandbox["container_id"]))[0])
    call(client, "DELETE", f"/sandboxes/{sandbox['sandbox_id']}?graceful=false")
    return ours, bare, docker


def copied_config(container, folder):
    """The create request that would make the same container, with a run folder of its own."""
    docker = UnixConnection(DOCKER_SOCKET)
    seen = call(docker, "GET", f"/v1.41/containers/{container}/json")
    config, host = seen["Config"], seen["HostConfig"]
    keep = ("NetworkMode", "Init", "CapDrop", "CapAdd", "NanoCpus", "Memory", "MemorySwap",
            "PidsLimit", "Ulimits", "RestartPolicy", "LogConfig")
    return {
        "Image": config["Image"], "User": config["User"], "Env": config["Env"],
        "Entrypoint": config["Entrypoint"], "Cmd": config["Cmd"],
        "HostConfig": {**{name: host[name] for name in keep},
                       "Binds": [host["Binds"][0], f"{folder}:/run/matrx"]},
    }


def measure_create(orchestrator, rounds):
    client = orchestrator.connect()
    docker = UnixConnection(DOCKER_SOCKET)
    first = orchestrator.create(client)
    ours, floor = [], []
    for i in range(rounds):
        folder = os.path.join(orchestrator.data, f"floor-{i}")
        os.mkdir(folder)
        config = copied_config(first["container_id"], folder)

        def create_and_start():
            made = call(docker, "POST", "/v1.41/containers/create", config)
            call(docker, "POST", f"/v1.41/containers/{made['Id']}/start")
            return made["Id"]

        took, container = timed_ms(create_and_start)
        floor.append(took)
        call(docker, "DELETE", f"/v1.41/containers/{container}?force=1")
        took, sandbox = timed_ms(lambda: orchestrator.create(client))
        ours.append(took)
        call(client, "DELETE", f"/sandboxes/{sandbox['sandbox_id']}?graceful=false")
    call(client, "DELETE", f"/sandboxes/{first['sandbox_id']}?graceful=false")
    return ours, floor


def wrk(orchestrator, connections, duration_s):
    """(requests per second, p99 in ms) of GET /health."""
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "--latency",
                          f"http://127.0.0.1:{orchestrator.port}/health"],
                         capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def measure_health_under_load(orchestrator, execs, duration_s):
    client = orchestrator.connect()
    sandbox = orchestrator.create(client)
    target = f"/sandboxes/{sandbox['sandbox_id']}/exec"

    def sleep():
        connection = orchestrator.connect()
        call(connection, "POST", target, {"command": f"sleep {duration_s + 3}", "timeout": 60})

    with concurrent.futures.ThreadPoolExecutor(execs) as pool:
        pending = [pool.submit(sleep) for _ in range(execs)]
        time.sleep(1.5)
        rate, p99 = wrk(orchestrator, 1, duration_s)
        for one in pending:
            one.result()
    call(client, "DELETE", f"/sandboxes/{sandbox['sandbox_id']}?graceful=false")
    return rate, p99


def measure_memory(orchestrator, count):
    client = orchestrator.connect()
    before = resident_kb(orchestrator.process.pid)
    rows = [orchestrator.create(client) for _ in range(count)]
    for row in rows:
        call(client, "POST", f"/sandboxes/{row['sandbox_id']}/exec", {"command": "echo hi"})
    after = resident_kb(orchestrator.process.pid)
    agents = []
    for row in rows:
        top = subprocess.run(["docker", "top", row["container_id"], "-eo", "pid,comm"],
                             capture_output=True, text=True, check=True).stdout
        agents += [resident_kb(line.split()[0]) for line in top.splitlines()[1:]
                   if line.split()[1] == "matrx-agent"]
    for row in rows:
        call(client, "DELETE", f"/sandboxes/{row['sandbox_id']}?graceful=false")
    return before, after, max(agents)


def verdict(good):
    return "yes" if good else "no"


def report(orchestrator, quick):
    rows = []
    ours, bare, docker = measure_exec(orchestrator, 100 if quick else 500)
    ratio = percentile(ours, .5) / percentile(bare, .5)
    rows.append(("exec `echo hi` over HTTP, p50", f"{percentile(ours, .5):.2f} ms",
                 f"bare agent {percentile(bare, .5):.2f} ms", f"{ratio:.2f}", "≤ 1.5",
                 verdict(ratio <= 1.5)))
    rows.append(("the same, p99", f"{percentile(ours, .99):.2f} ms",
                 f"bare agent {percentile(bare, .99):.2f} ms",
                 f"{percentile(ours, .99) / percentile(bare, .99):.2f}", "", ""))
    rows.append(("the same against Docker's exec API, p50", f"{percentile(ours, .5):.2f} ms",
                 f"Docker {percentile(docker, .5):.1f} ms",
                 f"{percentile(ours, .5) / percentile(docker, .5):.3f}", "", ""))
    ours, floor = measure_create(orchestrator, 5 if quick else 20)
    extra = percentile(ours, .5) - percentile(floor, .5)
    rows.append(("create to ready, p50", f"{percentile(ours, .5):.0f} ms",
                 f"Docker create + start {percentile(floor, .5):.0f} ms",
                 f"{percentile(ours, .5) / percentile(floor, .5):.2f}",
                 f"floor + 15 ms (is + {extra:.0f} ms)", verdict(extra <= 15)))
    seconds = 2 if quick else 5
    rate, p99 = wrk(orchestrator, 32, seconds)
    rows.append(("`GET /health`, 32 connections", f"{rate:,.0f}/s", f"p99 {p99:.2f} ms", "",
                 "≥ 30,000/s", verdict(rate >= 30000)))
    _, idle = wrk(orchestrator, 1, seconds)
    _, busy = measure_health_under_load(orchestrator, 50, seconds)
    rows.append(("`GET /health` p99 while 50 execs sleep", f"{busy:.2f} ms",
                 f"idle {idle:.2f} ms", f"{busy / idle:.2f}", "≤ 5 ms", verdict(busy <= 5)))
    before, after, agent = measure_memory(orchestrator, 3 if quick else 10)
    rows.append(("memory of the orchestrator, all of the above done", f"{before / 1024:.1f} MB",
                 f"with {3 if quick else 10} sandboxes {after / 1024:.1f} MB", "", "≤ 32 MB",
                 verdict(after <= 32 * 1024)))
    rows.append(("memory of the agent after an exec", f"{agent / 1024:.2f} MB", "", "", "≤ 2 MB",
                 verdict(agent <= 2048)))
    return rows


def to_markdown(rows):
    docker = call(UnixConnection(DOCKER_SOCKET), "GET", "/v1.41/version")
    lines = [
        "# Benchmarks", "",
        "Made by `make bench`: the release build and its floors, measured in turns in one run.",
        "The machine is shared and its timings are noisy: the ratios count.", "",
        f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, "
        f"Docker {docker['Version']}, SQLite store, one I/O thread.", "",
        "| what | measured | beside | ratio | goal | reached |", "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--write")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    orchestrator = Orchestrator(arguments.build)
    try:
        text = to_markdown(report(orchestrator, arguments.quick))
        text += inside.report(orchestrator, arguments.quick)
    finally:
        orchestrator.stop()
    text += registry.report(arguments.build)
    text += storage.report(arguments.build)
    print(text)
    if arguments.write:
        pathlib.Path(arguments.write).write_text(text)


if __name__ == "__main__":
    main()
