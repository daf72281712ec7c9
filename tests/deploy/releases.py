"""Releases for the tests: the one that `make package` made, the same as a next version, and broken ones."""
import hashlib
import os
import pathlib
import subprocess
import tarfile

PACKAGES = pathlib.Path(os.environ["MATRX_TRY_PACKAGES"])
# What a release may do instead of serving. Each answers --version, as the check on the host asks.
BROKEN = {
    "ends at once": "exit 1",
    "is never ready": "exec sleep infinity",
}


def only(pattern):
    found = list(PACKAGES.glob(pattern))
    assert len(found) == 1, f"{PACKAGES} has {len(found)} of {pattern}: run 'make package' first"
    return found[0]


def built():
    """The release of this commit, and its name."""
    path = only("matrx-sandbox-*.tar.gz")
    return path, path.name.removesuffix(".tar.gz")


def package():
    return only("matrx-sandbox_*.deb")


def repack(folder, version, program=None):
    """The same release under another version; with a program of its own in the place of the orchestrator."""
    source, old = built()
    name = f"matrx-sandbox-{version}"
    with tarfile.open(source) as tar:
        tar.extractall(folder)
    top = (folder / old).rename(folder / name)
    (top / "VERSION").write_text(version + "\n")
    if program:
        orchestrator = top / "bin/matrx-orchestrator"
        orchestrator.write_text(f'#!/bin/sh\n[ "$1" != --version ] || exec echo {version}\n{program}\n')
        orchestrator.chmod(0o755)
    (top / "SHA256SUMS").unlink()
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(top)}\n"
             for path in sorted(top.rglob("*")) if path.is_file()]
    (top / "SHA256SUMS").write_text("".join(lines))
    made = folder / f"{name}.tar.gz"
    subprocess.run(["tar", "-C", folder, "--owner=0", "--group=0", "-czf", made, name], check=True)
    return made, name
