"""What tools/package.sh makes, with stand-ins for the two programs; and that deploy.sh's other half takes it."""
import hashlib
import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT
from test_deploy import Machine, with_sum

ROUTE = "usr/lib/matrx-sandbox/bin"


def command(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **options).stdout


def make(folder):
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("matrx-orchestrator", "matrx-agent"):
        shutil.copy("/bin/true", programs / name)
    out = folder / f"out{len(list(folder.glob('out*')))}"
    command(ROOT / "tools/package.sh", env={**os.environ, "MATRX_PACKAGE_PROGRAMS": str(programs),
                                            "MATRX_PACKAGE_DIR": str(out)})
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    return [make(folder), make(folder)]


@pytest.fixture(scope="module")
def deb(made):
    return next(made[0].glob("*.deb"))


def test_two_builds_are_the_same_and_match_their_sums(made):
    sums = [(out / "SHA256SUMS").read_text() for out in made]
    assert sums[0] == sums[1] and sums[0].count("\n") == 2
    for line in sums[0].splitlines():
        checksum, name = line.split()
        assert hashlib.sha256((made[0] / name).read_bytes()).hexdigest() == checksum


def test_the_package_says_what_it_is(deb):
    fields = dict(line.split(": ", 1) for line in command("dpkg-deb", "-f", deb).splitlines() if ": " in line)
    assert fields["Package"] == "matrx-sandbox" and re.match(r"\d+\.\d+\.\d+", fields["Version"])
    for name in ("libc6", "ca-certificates", "fuse3", "rclone"):
        assert re.search(rf"\b{name}\b", fields["Depends"]), fields["Depends"]
    assert "docker.io" in fields["Recommends"]
    subprocess.run(["dpkg", "--validate-version", fields["Version"]], check=True)


def test_the_package_has_its_files_owned_by_root(deb, tmp_path):
    lines = command("dpkg-deb", "-c", deb).splitlines()
    listed = {line.split()[5].removeprefix("./"): line for line in lines}
    for name in (f"{ROUTE}/matrx-orchestrator", f"{ROUTE}/matrx-agent"):
        assert listed[name].startswith("-rwxr-xr-x root/root")
    for name in ("usr/lib/systemd/system/matrx-orchestrator.service", "usr/share/doc/matrx-sandbox/README.md",
                 "usr/share/matrx-sandbox/orchestrator.env.example", "usr/lib/systemd/journald.conf.d/matrx.conf",
                 "usr/share/matrx-sandbox/migrations/001_create_sandboxes.sql"):
        assert listed[name].startswith("-rw-r--r-- root/root"), name
    assert all(" root/root " in line for line in lines)
    assert not [name for name in listed if name.startswith(("etc/", "opt/", "var/", "home/"))]
    command("dpkg-deb", "-x", deb, tmp_path)
    assert os.readlink(tmp_path / "usr/bin/matrx-orchestrator") == "../lib/matrx-sandbox/bin/matrx-orchestrator"
    unit = (tmp_path / "usr/lib/systemd/system/matrx-orchestrator.service").read_text()
    assert f"ExecStart=/{ROUTE}/matrx-orchestrator\n" in unit and "/opt/" not in unit


def test_every_migration_is_in_both(made, deb):
    names = {str(p.relative_to(ROOT)) for p in (ROOT / "migrations").rglob("*.sql") if "sqlite" not in p.parts}
    inside = command("dpkg-deb", "-c", deb)
    tar = command("tar", "-tzf", next(made[0].glob("*.tar.gz")))
    for name in names:
        assert f"/{name}\n" in inside and f"/{name}\n" in tar


def script(deb, tmp_path, name, *arguments, root):
    """A maintainer script, with its absolute paths below a folder."""
    control = tmp_path / "control"
    if not control.exists():
        command("dpkg-deb", "-e", deb, control)
    text = (control / name).read_text()
    text = re.sub(r"(?<![\w.])/(etc/matrx-sandbox|var/lib/matrx)", rf"{root}/\1", text)
    moved = tmp_path / f"{name}.moved"
    moved.write_text(text.replace("/run/systemd/system", str(root / "no-systemd")))
    return command("sh", moved, *arguments)


def test_settings_are_made_once_and_gone_after_a_purge(deb, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    script(deb, tmp_path, "postinst", "configure", root=root)
    settings = root / "etc/matrx-sandbox/orchestrator.env"
    text = settings.read_text()
    assert settings.stat().st_mode & 0o777 == 0o600 and re.search(r"^MATRX_API_KEY=[0-9a-f]{64}$", text, re.M)
    script(deb, tmp_path, "postinst", "configure", "0.1.0", root=root)
    assert settings.read_text() == text
    (root / "var/lib/matrx/kept").touch()
    script(deb, tmp_path, "prerm", "remove", root=root)
    script(deb, tmp_path, "postrm", "remove", root=root)
    assert settings.exists()
    script(deb, tmp_path, "postrm", "purge", root=root)
    assert not settings.exists() and (root / "var/lib/matrx/kept").exists()


def test_the_archive_is_taken_by_the_host(made, tmp_path):
    machine = Machine(tmp_path)
    done = machine.run("activate.sh", "install", *with_sum(next(made[0].glob("*.tar.gz"))))
    assert done.returncode == 0, done.stderr
    current = machine.root / "opt/matrx-sandbox/current"
    assert (current / "VERSION").read_text().strip() == machine.link("current")
    unit = (machine.root / "etc/systemd/system/matrx-orchestrator.service").read_text()
    assert unit == (ROOT / "deploy/systemd/matrx-orchestrator.service").read_text()
    assert os.access(current / "deploy/bootstrap-host.sh", os.X_OK)


def test_the_archive_prepares_a_host_by_itself(made, tmp_path):
    machine = Machine(tmp_path)
    command("tar", "-xzf", next(made[0].glob("*.tar.gz")), "-C", tmp_path)
    done = machine.run(next(tmp_path.glob("matrx-sandbox-*/deploy/bootstrap-host.sh")))
    assert done.returncode == 0, done.stderr
    for name in ("etc/systemd/system/matrx-orchestrator.service", "etc/systemd/journald.conf.d/matrx.conf"):
        assert (machine.root / name).stat().st_size > 0


def test_the_image_has_the_libraries_that_a_host_gets():
    listed = re.search(r"^PACKAGES=\((.*)\)$", (ROOT / "deploy/bootstrap-host.sh").read_text(), re.M).group(1).split()
    image = (ROOT / "orchestrator-image/packages.txt").read_text().split()
    assert [name for name in listed if name.startswith("lib") and name not in image] == []
    assert "libssh-4" in listed  # the list was found
