"""SSH into sandboxes, with OpenSSH's own client: shells, commands, scp, sftp, forwarded ports; and who is refused."""
import concurrent.futures
import fcntl
import hashlib
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import socket
import stat
import struct
import subprocess
import termios
import time

import pytest
from orchestrator import Orchestrator, wait_for
from patience import patience
from s3_server import free_port

pytestmark = pytest.mark.integration
MEGABYTES = 100


class Guest:
    """Somebody with a key of a sandbox."""

    def __init__(self, one, sandbox_id, folder, **query):
        answer = one.request("POST", f"/sandboxes/{sandbox_id}/access", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        self.access = answer.json()
        self.sandbox_id = sandbox_id
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        key = self.folder / f"{sandbox_id}.pem"
        key.unlink(missing_ok=True)
        key.write_text(self.access["private_key"])
        key.chmod(0o600)
        known = self.folder / "known_hosts"
        known.write_text(self.access["known_hosts"] + "\n")
        self.options = ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                        "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}"]
        self.name = f"{self.access['username']}@{self.access['host']}"

    def ssh(self, *words):
        return ["ssh", *self.options, "-p", str(self.access["port"]), *words[:-1], self.name, words[-1]]

    def run(self, *words, **arguments):
        return subprocess.run(self.ssh(*words), capture_output=True, timeout=patience(120), check=False, **arguments)

    def copy(self, tool, *words, **arguments):
        return subprocess.run([tool, *self.options, "-P", str(self.access["port"]), *words],
                              capture_output=True, timeout=patience(300), check=False, **arguments)


@pytest.fixture(scope="module")
def one():
    made = Orchestrator(MATRX_SSH_PORT="0").start()
    yield made
    made.close()


@pytest.fixture
def guest(one, tmp_path):
    sandbox = one.create(user_id="ssh-user")["sandbox_id"]
    yield Guest(one, sandbox, tmp_path)
    one.destroy(sandbox, "?graceful=false")


class Screen:
    """ssh in a terminal of its own."""

    def __init__(self, command, rows=30, columns=100):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.resize(rows, columns)
        self.seen = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def type(self, text):
        os.write(self.master, text.encode())

    def see(self, pattern, seconds=60):
        """Waits until it is shown, and forgets what was before."""
        def look():
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    pass  # it has ended
            return re.search(pattern.encode(), self.seen)
        found = wait_for(f"{pattern!r} on the screen: {self.seen[-500:]!r}", look, seconds)
        self.seen = self.seen[found.end():]
        return found

    def ended(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# --- Shells and commands -------------------------------------------------------------------------

def test_a_shell_with_its_terminal(guest):
    screen = Screen(guest.ssh("-t", "-v", "")[:-1])
    screen.see(r"agent@")
    screen.type("stty size; id -un; pwd; tty\n")
    screen.see(r"30 100\r\nagent\r\n/home/agent\r\n/dev/pts/")
    screen.resize(50, 132)
    screen.type("for i in $(seq 100); do stty size | grep -q '50 132' && break; sleep 0.1; done; stty size\n")
    screen.see(r"[^']50 132\r\n")
    screen.type("sleep 1000\n")
    time.sleep(0.5)
    screen.type("\x03")
    screen.type("echo int''errupted\n")
    screen.see("interrupted\r\n")
    screen.type("exit 7\n")
    screen.see(r"Exit status 7|Transferred")
    assert screen.ended() == 7


def test_a_command_and_its_exit_status(guest):
    done = guest.run("echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, b"out\n", b"err\n")
    assert guest.run("id -un; pwd").stdout == b"agent\n/home/agent\n"
    assert guest.run("kill -9 $$").returncode == 128 + 9
    assert guest.run("-o", "SetEnv=GREETING=hello", "echo $GREETING").stdout == b"hello\n"
    # The sandbox knows itself, as in every other way in.
    assert guest.run("echo $SANDBOX_ID").stdout.decode().strip() == guest.sandbox_id


def test_what_comes_in_goes_out(guest):
    sent = os.urandom(5_000_000)
    done = guest.run("cat", input=sent)
    assert done.returncode == 0 and done.stdout == sent
    assert guest.run("wc -c", input=b"").stdout == b"0\n"
    # Who reads nothing is not waited for, and who has read enough may go.
    assert guest.run("head -c 5", input=sent).stdout == sent[:5]


def test_many_commands_on_one_connection(guest, tmp_path):
    control = ["-o", "ControlMaster=auto", "-o", f"ControlPath={tmp_path}/c", "-o", "ControlPersist=20"]
    running = [subprocess.Popen(guest.ssh(*control, f"echo {n}"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
               for n in range(8)]
    assert [p.communicate(timeout=patience(60))[0] for p in running] == [f"{n}\n".encode() for n in range(8)]
    guest.run(*control, "-O", "exit", "true")


def test_a_program_left_behind_lives_on_and_a_client_that_goes_ends_its_command(one, guest):
    assert guest.run("sleep 1234 >/dev/null 2>&1 & echo started").stdout == b"started\n"
    assert one.run(guest.sandbox_id, "pgrep -f 'sleep 123[4]'")["exit_code"] == 0
    client = subprocess.Popen(guest.ssh("sleep 4321"))
    wait_for("the command", lambda: one.run(guest.sandbox_id, "pgrep -f 'sleep 432[1]'")["exit_code"] == 0)
    client.kill()
    client.wait()
    wait_for("its end", lambda: one.run(guest.sandbox_id, "pgrep -f 'sleep 432[1]'")["exit_code"] == 1)


def test_the_ready_command(guest):
    words = shlex.split(guest.access["ssh_command"])
    done = subprocess.run([*words[:1], "-F", "none", *words[1:], "echo it works"], capture_output=True,
                          timeout=patience(60), check=False, cwd=guest.folder)
    assert done.stdout == b"it works\n", done.stderr
    assert guest.access["host_key_fingerprint"].startswith("SHA256:")


# --- Files ---------------------------------------------------------------------------------------

def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("way", ["sftp", "legacy"])
def test_scp_of_100_megabytes_both_ways(guest, tmp_path, way):
    flags = ["-O"] if way == "legacy" else ["-s"]
    sent, back = tmp_path / "sent", tmp_path / "back"
    block = os.urandom(1_000_000)
    sent.write_bytes(b"".join(n.to_bytes(4, "big") + block[4:] for n in range(MEGABYTES)))
    begun = time.monotonic()
    up = guest.copy("scp", *flags, str(sent), f"{guest.name}:file with spaces" if way == "sftp" else f"{guest.name}:f")
    assert up.returncode == 0, up.stderr
    name = "file with spaces" if way == "sftp" else "f"
    middle = time.monotonic()
    assert guest.run(f"sha256sum '{name}'").stdout.decode().split()[0] == sha256(sent)
    between = time.monotonic()
    down = guest.copy("scp", *flags, f"{guest.name}:{name}", str(back))
    assert down.returncode == 0, down.stderr
    ended = time.monotonic()
    assert sha256(back) == sha256(sent)
    print(f"scp {way}: up {MEGABYTES / (middle - begun):.0f} MB/s, down {MEGABYTES / (ended - between):.0f} MB/s")


def test_scp_of_a_folder_keeps_modes_and_times(guest, tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/er/ü").write_text("text")
    (tree / "deep/run").write_text("#!/bin/sh\necho ran\n")
    (tree / "deep/run").chmod(0o755)
    os.utime(tree / "deep/er/ü", (1_000_000_000, 1_000_000_000))
    done = guest.copy("scp", "-r", "-p", str(tree), f"{guest.name}:")
    assert done.returncode == 0, done.stderr
    assert guest.run("tree/deep/run; stat -c %Y tree/deep/er/ü; cat tree/deep/er/ü").stdout == b"ran\n1000000000\ntext"


def test_sftp(guest, tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    batch = (f"mkdir d\nput {tmp_path}/a d/a\nrename d/a d/b\nsymlink b d/l\nchmod 600 d/b\nls -l d\n"
             f"get d/l {tmp_path}/b\n")
    done = guest.copy("sftp", "-b", "-", guest.name, input=batch.encode())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert guest.run("stat -c '%U %a' d/b; readlink d/l").stdout == b"agent 600\nb\n"
    # As its user, with its user's rights.
    refused = guest.copy("sftp", "-b", "-", guest.name, input=b"get /etc/shadow /dev/null\n")
    assert refused.returncode != 0 and b"ermission denied" in refused.stderr


def test_an_image_without_sftp_server_says_so(one, guest):
    one.run(guest.sandbox_id, "sudo mv /usr/lib/openssh/sftp-server /usr/lib/openssh/away")
    refused = guest.copy("scp", "-s", "/etc/hostname", f"{guest.name}:")
    assert refused.returncode != 0 and b"no sftp-server" in refused.stderr


# --- Ports ---------------------------------------------------------------------------------------

def test_a_forwarded_port(one, guest):
    one.run(guest.sandbox_id, "head -c 20000000 /dev/urandom > big; sha256sum big > sum;"
                              "python3 -m http.server 8080 --bind 127.0.0.1 >/dev/null 2>&1 &")
    wait_for("the server", lambda: one.run(guest.sandbox_id, "curl -s localhost:8080/sum")["exit_code"] == 0)
    port, dead = free_port(), free_port()
    client = subprocess.Popen(guest.ssh("-N", "-L", f"{port}:localhost:8080", "-L", f"{dead}:localhost:9", "")[:-1],
                              stderr=subprocess.PIPE)
    try:
        def fetch(path):
            return subprocess.run(["curl", "-s", "--noproxy", "*", f"http://127.0.0.1:{port}/{path}"],
                                  capture_output=True, check=False)
        wait_for("the forwarded port", lambda: fetch("sum").returncode == 0)
        big = fetch("big").stdout
        assert hashlib.sha256(big).hexdigest() == fetch("sum").stdout.decode().split()[0]
        # Nobody listens there.
        nothing = subprocess.run(["curl", "-s", "--noproxy", "*", f"http://127.0.0.1:{dead}/"], check=False)
        assert nothing.returncode != 0
        assert fetch("sum").returncode == 0
    finally:
        client.kill()
        client.wait()


@pytest.mark.parametrize("target", ["169.254.169.254:80", "example.com:443", "172.17.0.1:8000"])
def test_no_way_through_the_sandbox(guest, target):
    done = guest.run("-W", target, "")
    assert done.returncode != 0 and b"open failed" in done.stderr


def test_what_is_not_offered(guest, tmp_path):
    backwards = guest.run("-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:22", "true")
    assert backwards.returncode == 255
    agent = guest.run("-A", "echo agent=$SSH_AUTH_SOCK")
    assert agent.stdout == b"agent=\n"
    subsystem = guest.run("-s", "netconf")
    assert subsystem.returncode == 255 or b"subsystem request failed" in subsystem.stderr
    assert b"Permission denied (publickey)" in guest.run("-o", "PubkeyAuthentication=no", "true").stderr


# --- Who is refused ------------------------------------------------------------------------------

def assert_denied(done):
    assert done.returncode == 255 and b"Permission denied (publickey)" in done.stderr, done.stderr


def test_other_keys_are_refused(one, guest, tmp_path):
    assert guest.run("true").returncode == 0
    own = Guest(one, guest.sandbox_id, tmp_path / "again")
    other_box = one.create(user_id="ssh-other")["sandbox_id"]
    other = Guest(one, other_box, tmp_path / "other")
    # A stranger's key, a key of another call, a key of another sandbox, a name made up from two.
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "strange"], check=True)
    strange = guest.options.copy()
    strange[3] = str(tmp_path / "strange")
    names = {"stranger": (strange, guest.name), "again": (own.options, guest.name),
             "other": (other.options, guest.name),
             "made up": (other.options, other.name.replace(other_box, guest.sandbox_id)),
             "for ever": (guest.options, re.sub(r"\.\d+\.", ".4102444800.", guest.name, count=1)),
             "root": (guest.options, "root@127.0.0.1"), "": (guest.options, "agent@127.0.0.1")}
    for options, name in names.values():
        assert_denied(subprocess.run(["ssh", *options, "-p", str(guest.access["port"]), name, "true"],
                                     capture_output=True, timeout=patience(60), check=False))
    assert other.run("echo $SANDBOX_ID").stdout.decode().strip() == other_box
    one.destroy(other_box, "?graceful=false")
    assert other.access["private_key"] not in one.log() and "PRIVATE KEY" not in one.log()
    assert '"ssh key refused"' in one.log()


def test_an_expired_key_is_refused(one, guest, tmp_path):
    short = Guest(one, guest.sandbox_id, tmp_path / "short", ttl_seconds=1)
    def refused():
        done = short.run("true")
        return b"Permission denied (publickey)" in done.stderr
    wait_for("the end of the key", refused)
    assert guest.run("true").returncode == 0
    for wrong in ["0", "86401", "x"]:
        path = f"/sandboxes/{guest.sandbox_id}/access?ttl_seconds={wrong}"
        assert one.request("POST", path).status_code == 422


def test_no_gateway_says_how_to_get_one(own):
    answer = own().start().request("POST", "/sandboxes/sbx-0123456789ab/access")
    assert answer.status_code == 501 and "MATRX_SSH_PORT" in answer.json()["detail"]


def test_a_paused_and_an_ended_sandbox_are_refused_with_words(one, guest):
    assert one.request("POST", f"/sandboxes/{guest.sandbox_id}/pause").status_code == 200
    done = guest.run("true")
    assert done.returncode == 255 and b"is paused; resume it first" in done.stderr
    assert one.request("POST", f"/sandboxes/{guest.sandbox_id}/access").status_code == 409
    assert one.request("POST", f"/sandboxes/{guest.sandbox_id}/resume").status_code == 200
    assert guest.run("true").returncode == 0
    one.destroy(guest.sandbox_id, "?graceful=false")
    done = guest.run("true")
    assert done.returncode == 255 and b"is stopped (stop reason: user_requested)" in done.stderr
    assert one.request("POST", f"/sandboxes/{guest.sandbox_id}/access").status_code == 410


def test_all_who_come_to_a_paused_sandbox_hear_why(one, guest):
    assert one.request("POST", f"/sandboxes/{guest.sandbox_id}/pause").status_code == 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in pool.map(lambda _: guest.run("true"), range(40)):
            assert b"is paused; resume it first" in done.stderr, done.stderr
    assert one.request("POST", f"/sandboxes/{guest.sandbox_id}/resume").status_code == 200


# --- Ends ----------------------------------------------------------------------------------------

def test_a_session_ends_with_its_sandbox_and_says_why(one, guest):
    shell = subprocess.Popen(guest.ssh("echo here; sleep 1000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    idle = subprocess.Popen(guest.ssh("-N", "-o", "LogLevel=DEBUG", "")[:-1], stderr=subprocess.PIPE)
    assert shell.stdout.readline() == b"here\n"
    for line in idle.stderr:
        if b"Authenticated to" in line:
            break
    one.destroy(guest.sandbox_id, "?graceful=false")
    for client in [shell, idle]:
        words = client.communicate(timeout=patience(60))[1]
        assert client.returncode == 255 and b"stop reason: user_requested" in words, words


def test_keys_survive_a_restart_and_a_session_does_not(own, tmp_path):
    one = own(MATRX_SSH_PORT="0").start()
    sandbox = one.create(user_id="ssh-restart")["sandbox_id"]
    guest = Guest(one, sandbox, tmp_path)
    folder = one.data / "data/ssh"
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == \
        {"host_key": 0o600, "access_secret": 0o600}
    session = subprocess.Popen(guest.ssh("echo here; sleep 1000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert session.stdout.readline() == b"here\n"
    assert one.stop() == 0
    assert b"The orchestrator is stopping" in session.communicate(timeout=patience(60))[1]
    one.settings["MATRX_SSH_PORT"] = str(guest.access["port"])
    one.start()
    assert guest.run("echo back").stdout == b"back\n"
    assert Guest(one, sandbox, tmp_path / "b").access["host_key_fingerprint"] == guest.access["host_key_fingerprint"]


def closed(line):
    """Whether the other side has ended it; its banner is passed over."""
    while select.select([line], [], [], 0)[0]:
        try:
            if not line.recv(256):
                return True
        except ConnectionResetError:
            return True
    return False


def test_strangers_are_bounded_and_nonsense_does_no_harm(one, guest):
    held = []
    for _ in range(40):
        s = socket.create_connection(("127.0.0.1", guest.access["port"]))
        held.append(s)
    # They do not wait for their login time: the oldest goes for whoever comes next.
    wait_for("a place", lambda: guest.run("echo fine").stdout == b"fine\n")
    assert closed(held[0]) and not all(map(closed, held[1:32]))
    for s in held:
        s.close()
    for nonsense in [b"GET / HTTP/1.1\r\n\r\n", os.urandom(10_000), b"SSH-2.0-x\r\n" + os.urandom(40_000),
                     b"SSH-2.0-x\r\n" + b"\xff" * 100, b"\n" * 5000]:
        with socket.create_connection(("127.0.0.1", guest.access["port"])) as s:
            try:
                s.sendall(nonsense)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass
    wait_for("a place", lambda: guest.run("echo fine").stdout == b"fine\n")
