"""A real orchestrator for a test: own port, own data folder, own network; leaves nothing behind."""
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time

import httpx
from patience import patience

KEY = "test-key-4711"
EXEC_SECONDS_MAX = 600
POLL_SECONDS_MIN, POLL_SECONDS_MAX = 0.02, 0.25
# As tools/build-image.sh has named it; empty: the orchestrator's default.
IMAGE = os.environ.get("MATRX_SANDBOX_IMAGE", "")
# Without one, httpx reads all the machine's certificates for each call: 30 ms, though nothing here is encrypted.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def build_dir():
    root = pathlib.Path(__file__).resolve().parents[2]
    named = os.environ.get("MATRX_TEST_BUILD_DIR")
    candidates = [root / named] if named else [root / "build/release", root / "build/dev"]
    for candidate in candidates:
        if (candidate / "bin/matrx-orchestrator").exists():
            return candidate
    raise RuntimeError("the programs are not built: run 'make build' first")


def docker(*arguments, host=None):
    environment = {**os.environ, "DOCKER_HOST": host} if host else None
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False,
                          env=environment)
    return done.stdout.strip()


def wait_for(what, condition, seconds=60):
    """Polls until the condition holds, and returns what it answered. Ever more slowly: who looks all the time takes
    the processor from what it waits for."""
    deadline, pause = time.monotonic() + patience(seconds), POLL_SECONDS_MIN
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.3, POLL_SECONDS_MAX)


class Orchestrator:
    def __init__(self, program=None, **settings):
        self.program = program or build_dir() / "bin/matrx-orchestrator"
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="matrx-test-"))
        self.log_path = self.data / "log"
        self.network = "matrx-test-" + self.data.name[-8:].lower().replace("_", "-")
        self.settings = {
            "MATRX_HOST": "127.0.0.1", "MATRX_PORT": "0", "MATRX_DATA_DIR": str(self.data / "data"),
            "MATRX_SANDBOX_STORE": "sqlite", "MATRX_API_KEY": KEY, "MATRX_LOG_FORMAT": "json",
            "MATRX_DOCKER_NETWORK": self.network, "MATRX_CONTAINER_MEMORY_LIMIT": "512m",
            "MATRX_FIREWALL": "off",  # rules of the host, put up only where they are what is tested
            **({"MATRX_SANDBOX_IMAGE": IMAGE} if IMAGE else {}), **settings,
        }
        self.process = None
        self.port = None

    # --- Its life ---
    def command(self, *arguments):
        return [str(self.program), *arguments]

    def docker(self, *arguments):
        host = self.settings.get("DOCKER_HOST", "")
        return docker(*arguments, host=host if host.startswith("unix:") else None)

    def environment(self):
        base = {k: v for k, v in os.environ.items() if not k.startswith("MATRX_")}
        return {k: v for k, v in {**base, **self.settings}.items() if v is not None}

    def launch(self, **extra):
        """Starts the program, and does not wait for it. Answers where its log begins."""
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(self.command(), env={**self.environment(), **extra},
                                            stdout=log, stderr=log)
        return begin

    def start(self, **extra):
        begin = self.launch(**extra)
        def ready():
            assert self.process.poll() is None, "it ended: " + self.log()[begin:]
            return self.port_in_log(begin)
        self.port = wait_for("orchestrator ready", ready)
        return self

    def launch_and_listen(self, **extra):
        """Starts the program, and waits until it answers; it may not be able to work yet."""
        begin = self.launch(**extra)
        self.port = wait_for("a port", lambda: self.port_in_log(begin, "listening"))
        return self

    def port_in_log(self, begin, message="orchestrator ready"):
        found = re.search(f'"{message}".*?"port":(\\d+)', self.log()[begin:])
        return found and int(found.group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience(30))

    def kill9(self):
        self.process.kill()
        self.process.wait(patience(30))

    def close(self):
        ended = self.process.poll() if self.process else None
        assert ended in (None, 0, 2, -9), f"it crashed ({ended}): {self.log()[-2000:]}"
        if self.process and ended is None:
            self.stop()
        for container in self.containers():
            self.docker("rm", "-f", container)
        if self.settings["MATRX_FIREWALL"] != "off":
            done = self.take_down()
            assert done.returncode == 0, done.stderr
        self.docker("network", "rm", self.network)
        for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
            point = line.split()[4]
            if point.startswith(str(self.data)):
                subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def take_down(self):
        """Removes its rules and networks from this host; it must not run, and have no sandbox."""
        return subprocess.run(self.command("--take-down"), env=self.environment(), capture_output=True, text=True,
                              check=False)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def memory_kb(self, which="VmRSS"):
        """Resident memory; with "VmHWM" the most that it ever was."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(which + r":\s+(\d+)", text).group(1))

    # --- Its containers, as Docker sees them ---
    def installation(self):
        path = self.data / "data/installation"
        return path.read_text().strip() if path.exists() else "none"

    def containers(self):
        listed = self.docker("ps", "-aq", "--no-trunc", "--filter",
                             f"label=matrx.installation={self.installation()}")
        return listed.split()

    def container_names(self):
        listed = self.docker("ps", "-a", "--format", "{{.Names}} {{.State}}", "--filter",
                             f"label=matrx.installation={self.installation()}")
        return dict(line.split() for line in listed.splitlines())

    # --- Its API ---
    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def request(self, method, path, key=KEY, timeout=60, **arguments):
        headers = arguments.pop("headers", {})
        if key:
            headers = {"X-API-Key": key, **headers}
        return httpx.request(method, self.url(path), headers=headers, timeout=patience(timeout), verify=NO_TLS,
                             **arguments)

    def stream(self, method, path, timeout=60, headers=None, **arguments):
        """The answer while it comes: a context manager."""
        return httpx.stream(method, self.url(path), headers={"X-API-Key": KEY, **(headers or {})},
                            timeout=timeout and patience(timeout), verify=NO_TLS, **arguments)

    def create(self, **fields):
        response = self.request("POST", "/sandboxes", json={"user_id": "user-1", **fields})
        assert response.status_code == 201, response.text
        return response.json()

    def exec(self, sandbox_id, command, **fields):
        return self.request("POST", f"/sandboxes/{sandbox_id}/exec",
                            json={"command": command, **fields})

    def run(self, sandbox_id, command, **fields):
        """A command that comes to its end: a timeout is one against hanging."""
        if "timeout" in fields:
            fields["timeout"] = min(round(patience(fields["timeout"])), EXEC_SECONDS_MAX)
        response = self.exec(sandbox_id, command, **fields)
        assert response.status_code == 200, response.text
        return response.json()

    def row(self, sandbox_id):
        return self.request("GET", f"/sandboxes/{sandbox_id}").json()

    def rows(self):
        return self.request("GET", "/sandboxes?limit=1000").json()["sandboxes"]

    def total(self):
        return self.request("GET", "/sandboxes").json()["total"]

    def metric(self, name):
        """A value of /metrics by its name with labels, or the sum of all with that name."""
        lines = self.request("GET", "/metrics").text.splitlines()
        found = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return sum(float(value) for what, _, value in found if name in (what, what.split("{")[0]))

    def destroy(self, sandbox_id, query=""):
        return self.request("DELETE", f"/sandboxes/{sandbox_id}{query}")


class Running(Orchestrator):
    """One that somebody else has started and will stop, such as tools/try-compose.sh: its port, the folder above its
    data folder `data`, and its key."""

    def __init__(self, port, folder, key):
        assert key == KEY, "the tests sign in with " + KEY
        self.port, self.data, self.settings = int(port), pathlib.Path(folder), {}

    def close(self):
        pass
