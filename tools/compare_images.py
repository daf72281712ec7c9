#!/usr/bin/env python3
"""Are two images the same? Each file with its contents, owner, mode and date, and how containers of them are started.

  tools/compare_images.py IMAGE IMAGE

What the engine makes anew for each build or container does not count: the dates of the build itself, and the files that
it puts into every container. One line for each difference; exit code 1 if there is any.
"""
import hashlib
import json
import subprocess
import sys
import tarfile

ENGINES_OWN = {".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", "dev", "dev/console",
               "dev/pts", "dev/shm", "proc", "sys"}
SHOWN_MAX = 20
# What was asked for, which tells nothing about what came of it.
ASKED = ("matrx.image.hash", "org.opencontainers.image.revision")
CONFIG = ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "StopSignal", "Healthcheck", "Labels", "ExposedPorts")


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def config(image):
    found = json.loads(docker("image", "inspect", "-f", "{{json .Config}}", image))
    found["Labels"] = {name: value for name, value in (found.get("Labels") or {}).items() if name not in ASKED}
    return {f"setting {name}": found.get(name) for name in CONFIG}


def files(image):
    """What is at each path, as one value."""
    container = docker("create", image, "/none")
    found = {}
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=export.stdout, mode="r|") as tar:
                for one in tar:
                    name = one.name.removeprefix("./").rstrip("/")
                    if name in ENGINES_OWN or name in ("", "."):
                        continue
                    digest = ""
                    if one.isreg():
                        digest = hashlib.file_digest(tar.extractfile(one), "sha256").hexdigest()
                    date = "the engine's" if name == "etc" else int(one.mtime)
                    found[name] = (one.type, oct(one.mode), one.uid, one.gid, date, one.linkname, digest)
    finally:
        docker("rm", container)
    return found


def main(arguments):
    if len(arguments) != 2:
        sys.exit("matrx: it takes two images.")
    first, second = ({**config(image), **files(image)} for image in arguments)
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    for name in different[:SHOWN_MAX]:
        print(f"{name}: {first.get(name)} and {second.get(name)}")
    size = docker("image", "inspect", "-f", "{{.Size}}", arguments[0])
    print(f"{len(different)} differences; {len(first) - len(CONFIG)} files, {int(size) / 1e6:.0f} MB")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
