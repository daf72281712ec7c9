"""deploy.sh, activate.sh and bootstrap-host.sh in a temporary folder, with stand-ins for ssh, systemctl and others."""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tarfile

import pytest
from conftest import ROOT

DEPLOY = ROOT / "deploy"
HOST = "admin@host.example"
# Each writes its arguments into $CALLS. A release with a file named "broken" never becomes ready.
STAND_INS = {
    "ssh": 'shift_to_host() { while [ "$1" != "$HOST" ]; do shift; done; shift; cd "$REMOTE_HOME" && bash -c "$*"; };'
           ' shift_to_host "$@"',
    "scp": 'for last; do :; done; n=$#; eval "file=\\${$((n - 1))}"; cp "$file" "$REMOTE_HOME/${last#*:}"',
    "sudo": '"$@"',
    "systemctl": 'case "$1" in is-failed) [ -e "$MATRX_DEPLOY_ROOT/failed" ] ;; esac',
    "curl": 'for last; do :; done; case $last in'
            ' http://127.0.0.1:*/health/ready) [ ! -e "$MATRX_DEPLOY_ROOT/opt/matrx-sandbox/current/broken" ] ;;'
            ' *) while [ "$1" != -o ]; do shift; done; cp "$REMOTE_HOME/download" "$2" ;; esac',
    "journalctl": 'echo "the last lines of the log"',
    "apt-get": 'case " $* " in *" install "*) for p; do case $p in -*|install) ;; *)'
               ' touch "$REMOTE_HOME/installed-$p" ;; esac; done ;; esac',
    "dpkg-query": 'for last; do :; done; [ -e "$REMOTE_HOME/installed-$last" ] && printf installed',
    "id": "echo ${FAKE_UID:-0}",
    "blkid": 'for last; do :; done; case $4 in UUID) [ -e "$REMOTE_HOME/formatted" ] && echo 11-22 ;;'
             ' TYPE) [ -e "$REMOTE_HOME/formatted" ] && echo ext4 ;; PTTYPE) echo "${PARTITIONS:-}" ;; esac',
    "mkfs.ext4": 'touch "$REMOTE_HOME/formatted"',
    "mount": ":",
    "sqlite3": "/usr/bin/python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); w = sys.argv[2].split();"
               ' d.backup(sqlite3.connect(w[1].strip("\\x27"))) if w[0] == ".backup"'
               " else print(d.execute(sys.argv[2]).fetchone()[0])' \"$@\"",
}


class Machine:
    def __init__(self, folder):
        self.folder = folder
        self.root, self.home, self.tools = (folder / name for name in ("root", "home", "tools"))
        for path in (self.root / "etc", self.home, self.tools):
            path.mkdir(parents=True)
        self.calls_path = folder / "calls"
        self.calls_path.touch()
        for name, body in STAND_INS.items():
            tool = self.tools / name
            tool.write_text(f'#!/bin/bash\necho "{name} $*" >>"$CALLS"\n{body}\n')
            tool.chmod(0o755)
        self.debian("12")

    def debian(self, version, name="debian"):
        (self.root / "etc/os-release").write_text(f'ID={name}\nVERSION_ID="{version}"\n')

    def run(self, script, *arguments, **changes):
        environment = {"PATH": f"{self.tools}:/usr/bin:/bin", "HOST": HOST, "REMOTE_HOME": str(self.home),
                       "MATRX_DEPLOY_ROOT": str(self.root), "CALLS": str(self.calls_path),
                       "MATRX_READY_SECONDS": "1", **changes}
        return subprocess.run(["bash", DEPLOY / script, *map(str, arguments)], env=environment,
                              capture_output=True, text=True, timeout=60, cwd=self.folder)

    def calls(self):
        lines = self.calls_path.read_text().splitlines()
        self.calls_path.write_text("")
        return lines

    def link(self, name):
        path = self.root / "opt/matrx-sandbox" / name
        return os.readlink(path).removeprefix("releases/matrx-sandbox-") if path.is_symlink() else None

    def releases(self):
        return sorted(p.name for p in (self.root / "opt/matrx-sandbox/releases").iterdir())


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def release(folder, version, *extra, program="#!/bin/sh\necho v\n", sums=True):
    """A file as `make package` makes it."""
    name = f"matrx-sandbox-{version}"
    top = folder / "made" / name
    shutil.rmtree(top, ignore_errors=True)
    (top / "bin").mkdir(parents=True)
    for tool in ("matrx-orchestrator", "matrx-agent"):
        (top / "bin" / tool).write_text(program + f"# {version}\n")
        (top / "bin" / tool).chmod(0o755)
    (top / "systemd").mkdir()
    (top / "systemd/matrx-orchestrator.service").write_text(f"[Unit]\n# {version}\n")
    for file in extra:
        (top / file).touch()
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  ./{p.relative_to(top)}\n"
             for p in sorted(top.rglob("*")) if p.is_file()]
    (top / "SHA256SUMS").write_text("".join(lines) if sums else "0" * 64 + "  ./bin/matrx-agent\n")
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(top, name)
    return path


def deploy(machine, what, **changes):
    return machine.run("deploy.sh", HOST, what, **changes)


def test_releases_follow_each_other_and_the_way_back_is_kept(machine):
    first = deploy(machine, release(machine.folder, "1.0.0"))
    assert first.returncode == 0, first.stderr + first.stdout
    assert (machine.link("current"), machine.link("previous")) == ("1.0.0", None)
    calls = machine.calls()
    assert "systemctl restart matrx-orchestrator.service" in calls
    assert calls.index("systemctl daemon-reload") < calls.index("systemctl restart matrx-orchestrator.service")
    assert list(machine.home.iterdir()) == []  # the upload is gone

    assert deploy(machine, release(machine.folder, "1.1.0")).returncode == 0
    assert (machine.link("current"), machine.link("previous")) == ("1.1.0", "1.0.0")
    unit = machine.root / "etc/systemd/system/matrx-orchestrator.service"
    assert "1.1.0" in unit.read_text()

    back = deploy(machine, "--rollback")
    assert back.returncode == 0 and machine.link("current") == "1.0.0" and "1.0.0" in unit.read_text()
    listed = deploy(machine, "--list").stdout
    assert "* matrx-sandbox-1.0.0" in listed and "  matrx-sandbox-1.1.0" in listed


def test_a_release_that_does_not_become_ready_is_rolled_back(machine):
    for version in ("1.0.0", "1.1.0"):
        assert deploy(machine, release(machine.folder, version)).returncode == 0
    machine.calls()
    broken = deploy(machine, release(machine.folder, "1.2.0", "broken"))
    assert broken.returncode == 2, broken.stderr
    assert "1.1.0 is ready again" in broken.stdout and "the last lines of the log" in broken.stdout
    assert (machine.link("current"), machine.link("previous")) == ("1.1.0", "1.0.0")
    assert machine.calls().count("systemctl restart matrx-orchestrator.service") == 2
    unit = machine.root / "etc/systemd/system/matrx-orchestrator.service"
    assert "1.1.0" in unit.read_text()
    # And it can be deployed over.
    assert deploy(machine, release(machine.folder, "1.3.0")).returncode == 0
    assert (machine.link("current"), machine.link("previous")) == ("1.3.0", "1.1.0")


def registry(machine, schema=None, rows=None):
    """The registry's schema and rows; sets them where they are given."""
    path = machine.root / "data/registry.db"
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS rows (id)")
        if schema:
            database.execute(f"PRAGMA user_version = {schema}")
            database.executemany("INSERT INTO rows VALUES (?)", [(row,) for row in rows])
        found = (database.execute("PRAGMA user_version").fetchone()[0],
                 [row[0] for row in database.execute("SELECT id FROM rows ORDER BY id")])
    database.close()
    return found


@pytest.mark.parametrize("changes_schema", [True, False])
def test_a_registry_is_put_back_only_where_the_old_release_could_not_read_it(machine, changes_schema):
    (machine.root / "etc/matrx-sandbox").mkdir()
    (machine.root / "etc/matrx-sandbox/orchestrator.env").write_text("MATRX_DATA_DIR=/data\n")
    registry(machine, 5, ["first"])
    deploy(machine, release(machine.folder, "1.0.0"))
    # What a start of the new release does.
    systemctl = machine.tools / "systemctl"
    schema = 6 if changes_schema else 5
    systemctl.write_text(systemctl.read_text() + 'if [ "$1" = restart ] && '
                         '[ -e "$MATRX_DEPLOY_ROOT/opt/matrx-sandbox/current/broken" ]; then /usr/bin/python3 -c "'
                         "import sqlite3; d = sqlite3.connect('$MATRX_DEPLOY_ROOT/data/registry.db');"
                         f" d.execute('PRAGMA user_version = {schema}');"
                         " d.execute('INSERT INTO rows VALUES (2)'); d.commit()\"; fi\n")
    broken = deploy(machine, release(machine.folder, "1.1.0", "broken"))
    assert broken.returncode == 2, broken.stderr
    assert registry(machine) == ((5, ["first"]) if changes_schema else (5, [2, "first"]))
    calls = [line for line in machine.calls() if line.startswith(("systemctl stop", "sqlite3"))]
    assert calls[0].startswith("systemctl stop") and any(".backup" in line for line in calls[1:])
    kept = machine.root / "data/registry-before"
    assert kept.stat().st_mode & 0o777 == 0o700 and (kept / "schema-5.db").exists()


def test_where_the_registry_cannot_be_kept_nothing_is_switched(machine):
    (machine.root / "var/lib/matrx").mkdir(parents=True)
    deploy(machine, release(machine.folder, "1.0.0"))
    (machine.root / "var/lib/matrx/registry.db").write_text("no database")
    refused = deploy(machine, release(machine.folder, "1.1.0"))
    assert refused.returncode == 1 and "1.0.0 goes on" in refused.stderr
    assert machine.link("current") == "1.0.0"
    assert machine.calls()[-2] == "systemctl start matrx-orchestrator.service"


def test_the_way_back_needs_nobody_who_listens(machine):
    """As when the connection breaks: nobody reads any more, and whoever writes is told so by a signal."""
    deploy(machine, release(machine.folder, "1.0.0"))
    path, checksum = with_sum(release(machine.folder, "1.1.0", "broken"))
    environment = {"PATH": f"{machine.tools}:/usr/bin:/bin", "CALLS": str(machine.calls_path),
                   "MATRX_READY_SECONDS": "1", "REMOTE_HOME": str(machine.home), "MATRX_DEPLOY_ROOT": str(machine.root)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(["bash", DEPLOY / "activate.sh", "install", path, checksum], env=environment, timeout=60,
                          stdout=writer, stderr=writer, restore_signals=True, check=False)
    os.close(writer)
    assert done.returncode == 2 and machine.link("current") == "1.0.0"


def test_a_failed_service_is_not_waited_for(machine):
    deploy(machine, release(machine.folder, "1.0.0"))
    (machine.root / "failed").touch()
    broken = deploy(machine, release(machine.folder, "1.1.0", "broken"), MATRX_READY_SECONDS="50")
    assert broken.returncode == 2 and "the service has failed" in broken.stdout


def test_a_first_release_that_does_not_come_says_so(machine):
    broken = deploy(machine, release(machine.folder, "1.0.0", "broken"))
    assert broken.returncode == 3 and "no release before it" in broken.stdout


def test_the_same_release_again_is_a_restart_and_other_contents_are_refused(machine):
    one = release(machine.folder, "1.0.0")
    assert deploy(machine, one).returncode == deploy(machine, one).returncode == 0
    changed = deploy(machine, release(machine.folder, "1.0.0", program="#!/bin/sh\necho other\n"))
    assert changed.returncode == 1 and "with other contents" in changed.stderr
    assert machine.releases() == ["matrx-sandbox-1.0.0"]


def test_what_is_no_release_changes_nothing(machine):
    deploy(machine, release(machine.folder, "1.0.0"))
    machine.calls()
    odd = machine.folder / "odd.tar.gz"
    with tarfile.open(odd, "w:gz") as tar:
        tar.add(ROOT / "README.md", "README.md")
    (machine.folder / "text.tar.gz").write_text("no archive")
    for path in (odd, machine.folder / "text.tar.gz", machine.folder / "none.tar.gz",
                 release(machine.folder, "2.0.0", sums=False),
                 release(machine.folder, "2.1.0", program="#!/bin/sh\nexit 1\n")):
        refused = deploy(machine, path)
        assert refused.returncode == 1, (path, refused.stdout)
    assert machine.link("current") == "1.0.0" and machine.releases() == ["matrx-sandbox-1.0.0"]
    assert not [line for line in machine.calls() if "restart" in line]


def test_another_checksum_is_refused(machine):
    path = release(machine.folder, "1.0.0")
    refused = machine.run("activate.sh", "install", path, "0" * 64)
    assert refused.returncode == 1 and "checksum differs" in refused.stderr
    assert machine.link("current") is None


def test_two_deploys_do_not_meet(machine):
    deploy(machine, release(machine.folder, "1.0.0"))
    lock = machine.root / "opt/matrx-sandbox/.lock"
    holder = subprocess.Popen(["flock", lock, "sleep", "30"], start_new_session=True)
    try:
        for _ in range(200):
            refused = machine.run("activate.sh", "rollback")
            if "another deploy" in refused.stderr:
                break
        assert refused.returncode == 1 and "another deploy" in refused.stderr
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()


def test_old_releases_go_but_not_those_that_are_needed(machine):
    for number in range(6):
        done = deploy(machine, release(machine.folder, f"1.{number}.0"))
        assert done.returncode == 0, done.stderr
    assert len(machine.releases()) == 5
    for number in range(6, 9):
        machine.run("activate.sh", "install", *with_sum(release(machine.folder, f"1.{number}.0")),
                    MATRX_RELEASES_KEPT="2")
    assert machine.releases() == ["matrx-sandbox-1.7.0", "matrx-sandbox-1.8.0"]


def with_sum(path):
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_port_is_that_of_the_settings(machine):
    (machine.root / "etc/matrx-sandbox").mkdir()
    (machine.root / "etc/matrx-sandbox/orchestrator.env").write_text("#MATRX_PORT=1\nMATRX_PORT=8123\n")
    deploy(machine, release(machine.folder, "1.0.0"))
    assert [line for line in machine.calls() if "127.0.0.1:8123/health/ready" in line]


def test_an_unknown_host_key_is_never_taken(machine):
    deploy(machine, release(machine.folder, "1.0.0"), MATRX_SSH_KNOWN_HOSTS="/known", MATRX_SSH_KEY="/key")
    remote = [line for line in machine.calls() if line.startswith(("ssh ", "scp "))]
    assert len(remote) == 4
    for line in remote:
        assert "StrictHostKeyChecking=yes" in line and "BatchMode=yes" in line
        assert "UserKnownHostsFile=/known" in line and "-i /key" in line


def test_who_is_not_let_in_reads_why_and_that_nothing_changed(machine):
    path = release(machine.folder, "1.0.0")
    (machine.tools / "ssh").write_text("#!/bin/bash\necho 'Host key verification failed.' >&2\nexit 255\n")
    refused = deploy(machine, path)
    assert refused.returncode == 1 and "verification failed" in refused.stderr
    assert "does not let us in" in refused.stderr and machine.calls() == []


def test_a_connection_that_breaks_on_the_way_says_what_to_do(machine):
    path = release(machine.folder, "1.0.0")
    ssh = machine.tools / "ssh"
    ssh.write_text(ssh.read_text().replace("\n", '\ncase $* in *"bash -s"*) exit 255 ;; esac\n', 1))
    for what in (path, "--rollback"):
        broken = deploy(machine, what)
        assert broken.returncode == 255 and "--list tells what runs there" in broken.stderr


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "a b", "x;id", "", "user@-x", "$(id)"])
def test_a_host_that_is_none_is_refused(machine, host):
    refused = machine.run("deploy.sh", host, "--list")
    assert refused.returncode == 1 and machine.calls() == []


# --- bootstrap-host.sh ---

def tree(folder):
    return {str(p.relative_to(folder)): (p.stat().st_mode, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("version", ["12", "13"])
def test_a_bare_debian_becomes_a_host_and_again_changes_nothing(machine, version):
    machine.debian(version)
    done = machine.run("bootstrap-host.sh", "--data-device", "/dev/blank")
    assert done.returncode == 0, done.stderr
    calls = machine.calls()
    assert "mkfs.ext4 -q -L matrx-data /dev/blank" in calls and "mount /var/lib/matrx" in calls
    installed = next(line for line in calls if line.startswith("apt-get install"))
    assert "rclone" in installed and ("docker-cli" in installed) == (version == "13")
    settings = machine.root / "etc/matrx-sandbox/orchestrator.env"
    assert settings.stat().st_mode & 0o777 == 0o600
    assert re.search(r"^MATRX_API_KEY=[0-9a-f]{64}$", settings.read_text(), re.MULTILINE)
    assert "UUID=11-22 /var/lib/matrx" in (machine.root / "etc/fstab").read_text()
    assert "systemctl enable --quiet matrx-orchestrator.service" in calls

    before = tree(machine.root)
    assert machine.run("bootstrap-host.sh", "--data-device", "/dev/blank").returncode == 0
    assert tree(machine.root) == before
    assert not [line for line in machine.calls() if line.startswith(("apt-get", "mkfs", "mount"))]


def test_what_somebody_has_changed_stays(machine):
    (machine.root / "etc/docker").mkdir()
    (machine.root / "etc/docker/daemon.json").write_text("{}")
    assert machine.run("bootstrap-host.sh").returncode == 0
    assert (machine.root / "etc/docker/daemon.json").read_text() == "{}"


def test_a_disk_with_data_or_partitions_is_not_formatted(machine):
    (machine.home / "formatted").touch()
    assert machine.run("bootstrap-host.sh", "--data-device", "/dev/used").returncode == 0
    assert not [line for line in machine.calls() if line.startswith("mkfs")]
    (machine.root / "etc/fstab").unlink()
    (machine.home / "formatted").unlink()
    refused = machine.run("bootstrap-host.sh", "--data-device", "/dev/used", PARTITIONS="gpt")
    assert refused.returncode == 1 and "has partitions" in refused.stderr
    assert not [line for line in machine.calls() if line.startswith("mkfs")]


@pytest.mark.parametrize("name, version", [("debian", "11"), ("ubuntu", "24.04"), ("debian", "")])
def test_elsewhere_it_says_so_and_does_nothing(machine, name, version):
    machine.debian(version, name)
    before = tree(machine.root)
    refused = machine.run("bootstrap-host.sh")
    assert refused.returncode == 1 and "only Debian 12 and 13 are supported" in refused.stderr
    assert tree(machine.root) == before and machine.calls() == []


def test_it_needs_root_and_known_options(machine):
    assert "needs root" in machine.run("bootstrap-host.sh", FAKE_UID="1000").stderr
    assert "unknown option" in machine.run("bootstrap-host.sh", "--force").stderr
    assert "needs the path" in machine.run("bootstrap-host.sh", "--data-device").stderr


def test_a_first_release_is_fetched_and_verified(machine):
    path, checksum = with_sum(release(machine.folder, "1.0.0"))
    shutil.copy(path, machine.home / "download")
    url = "https://releases.example/r.tar.gz"
    for wrong in ({"MATRX_RELEASE_URL": url}, {"MATRX_RELEASE_URL": "http://x", "MATRX_RELEASE_SHA256": checksum}):
        refused = machine.run("bootstrap-host.sh", **wrong)
        assert refused.returncode == 1 and "MATRX_RELEASE_" in refused.stderr
    refused = machine.run("bootstrap-host.sh", MATRX_RELEASE_URL=url, MATRX_RELEASE_SHA256="0" * 64)
    assert refused.returncode == 1 and "another checksum" in refused.stderr
    assert machine.link("current") is None
    done = machine.run("bootstrap-host.sh", MATRX_RELEASE_URL=url, MATRX_RELEASE_SHA256=checksum)
    assert done.returncode == 0 and machine.link("current") == "1.0.0", done.stderr


def test_an_error_in_the_middle_is_trapped_with_its_line(machine):
    (machine.tools / "systemctl").write_text("#!/bin/bash\nexit 5\n")
    broken = machine.run("bootstrap-host.sh")
    assert broken.returncode == 1 and re.search(r"line \d+ ended with 5: systemctl", broken.stderr)


# --- What a workflow hands over ---

def test_only_what_was_built_is_taken(machine):
    folder = machine.folder / "release"
    folder.mkdir()
    (folder / "a.tar.gz").write_text("built")
    (folder / "image.tar.gz").write_text("built as well")
    sums = subprocess.run("sha256sum -- *", shell=True, cwd=folder, capture_output=True, text=True).stdout
    check = lambda text=sums: machine.run("check-sums.sh", folder, text)  # noqa: E731
    assert check().returncode == 0, check().stderr
    for wrong in ("", "\n", sums.splitlines()[0], sums + "x", sums.replace("a.tar.gz", "../a.tar.gz"),
                  sums.replace("a.tar.gz", "/etc/passwd"), "0" * 64 + "  a.tar.gz\n" + sums.splitlines()[1]):
        assert check(wrong).returncode == 1, wrong
    (folder / "more").write_text("")
    assert "other files" in check().stderr
    (folder / "more").unlink()
    (folder / "a.tar.gz").write_text("changed")
    assert "another checksum" in check().stderr or "not the one" in check().stderr
    (folder / "a.tar.gz").unlink()
    (folder / "a.tar.gz").symlink_to("image.tar.gz")
    assert check().returncode == 1


# --- What a host gets ---

def test_sandboxes_are_made_behind_a_firewall_or_not_at_all(machine):
    assert machine.run("bootstrap-host.sh").returncode == 0
    settings = (machine.root / "etc/matrx-sandbox/orchestrator.env").read_text()
    assert "\nMATRX_FIREWALL=required\n" in settings
    assert "\nMATRX_FIREWALL=required\n" in (ROOT / "tools/package/postinst").read_text()


def test_tables_of_the_kernel_are_raised_with_the_module_that_one_needs(machine):
    assert machine.run("bootstrap-host.sh").returncode == 0
    assert "nf_conntrack" in (machine.root / "etc/modules-load.d/matrx-sandbox.conf").read_text()
    assert "kernel.pty.max" in (machine.root / "etc/sysctl.d/60-matrx-sandbox.conf").read_text()
    assert "systemctl restart systemd-modules-load.service systemd-sysctl.service" in machine.calls()


def test_no_table_that_is_raised_is_called_small():
    """What the orchestrator warns of at its start, and what this folder sets."""
    raised = dict(re.findall(r"^-?([a-z][a-z_.-]*) = (\d+)$", (DEPLOY / "systemd/sysctl-matrx.conf").read_text(),
                             re.MULTILINE))
    source = (ROOT / "src/apps/orchestrator/kernel_tables.cpp").read_text()
    wanted = dict(re.findall(r'\{"([a-z][a-z_.-]*)", ([\d\']+),', source))
    assert wanted and set(wanted) == set(raised)
    for name, least in wanted.items():
        assert int(raised[name]) >= int(least.replace("'", "")), name


# --- The unit ---

@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_unit_and_rates_it(tmp_path):
    unit = tmp_path / "matrx-orchestrator.service"
    text = (DEPLOY / "systemd/matrx-orchestrator.service").read_text()
    unit.write_text(re.sub("^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    about_us = [line for line in verified.stderr.splitlines() if "matrx" in line]
    assert verified.returncode == 0 and not about_us, verified.stderr
    rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=55", unit],
                           capture_output=True, text=True)
    assert rated.returncode == 0, rated.stdout[-300:]


def test_the_unit_keeps_what_mounts_need():
    """Each of these would give it a mount namespace, and large files would stay invisible to sandboxes."""
    text = (DEPLOY / "systemd/matrx-orchestrator.service").read_text()
    for name in ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ReadWritePaths",
                 "ReadOnlyPaths", "InaccessiblePaths", "ProtectKernelTunables", "ProtectKernelModules",
                 "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "RootDirectory", "BindPaths"):
        assert not re.search(rf"^{name}=", text, re.MULTILINE), name
    assert pathlib.PurePosixPath("/opt/matrx-sandbox/current/bin/matrx-orchestrator").as_posix() in text


def test_the_unit_has_what_it_needs_and_no_more():
    text = (DEPLOY / "systemd/matrx-orchestrator.service").read_text()
    rights = set(re.search(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)[1].split())
    assert not rights & {"CAP_MKNOD", "CAP_KILL", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SETPCAP"}
    assert "CAP_NET_RAW" in rights  # iptables-legacy opens a raw socket for every change
    # Sandboxes go before what ends them and saves their homes; a dump would hold the API keys.
    assert int(re.search(r"^OOMScoreAdjust=(.*)$", text, re.MULTILINE)[1]) < 0
    assert re.search(r"^LimitCORE=0$", text, re.MULTILINE)
