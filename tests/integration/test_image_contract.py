"""sandbox-image/CONTRACT.md, held against a real image: its tables are what is checked.

MATRX_CONTRACT_IMAGE names the image, by default the one that sandboxes run.
"""
import json
import os
import pathlib
import re
import subprocess
import time
import uuid

import pytest

from patience import patience

pytestmark = pytest.mark.integration
ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = (os.environ.get("MATRX_CONTRACT_IMAGE") or os.environ.get("MATRX_SANDBOX_IMAGE")
         or "matrx-sandbox:latest")
FACTS = ("-e", "SANDBOX_ID=sbx-0123456789ab", "-e", "USER_ID=me")
SCRIPTS = "/usr/local/lib/matrx"


def tables():
    """Heading → rows, each a list of cells without their backticks."""
    found = {}
    for line in (ROOT / "sandbox-image/CONTRACT.md").read_text().splitlines():
        if line.startswith("## "):
            rows = found.setdefault(line[3:], [])
        elif line.startswith("|") and not line.startswith("|---"):
            rows.append([cell.strip().strip("`") for cell in line.strip("|").split(" | ")])
    return {name: rows[1:] for name, rows in found.items() if rows}


CONTRACT = tables()


def docker(*arguments, seconds=60):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=seconds)


class Image:
    """An image, and a container of it in which the tests look around."""

    def __init__(self, name):
        self.name = name
        inspected = docker("image", "inspect", name)
        assert inspected.returncode == 0, f"{name}: there is no such image: {inspected.stderr}"
        self.config = json.loads(inspected.stdout)[0]["Config"]
        self.container = docker("run", "-d", "--network", "none", *FACTS, name).stdout.strip()

    def run(self, *command, user="agent"):
        return docker("exec", "--user", user, self.container, *command)

    def close(self):
        docker("rm", "-f", "-v", self.container)


@pytest.fixture(scope="module", params=["itself", "derived"])
def image(request):
    """The image, and one that is derived from it as the example shows: nothing may get lost on the way."""
    name = IMAGE
    if request.param == "derived":
        name = f"matrx-contract-test:{os.getpid()}"
        built = subprocess.run(["docker", "build", "-q", "--build-arg", f"BASE={IMAGE}", "-t", name,
                                ROOT / "sandbox-image/variants/example"], capture_output=True,
                               text=True, env={**os.environ, "DOCKER_BUILDKIT": "0"}, timeout=120)
        assert built.returncode == 0, built.stderr
    one = Image(name)
    yield one
    one.close()
    if request.param == "derived":
        docker("image", "rm", "-f", name)


def test_the_contract_has_its_tables():
    sizes = {name: len(rows) for name, rows in CONTRACT.items()}
    assert sizes["Paths"] >= 9 and sizes["Commands"] >= 15 and sizes["Variables"] >= 8
    assert sizes["Labels"] == 5 and sizes["Process and signals"] == 6


def test_paths(image):
    names = [row[0] for row in CONTRACT["Paths"]]
    found = image.run("stat", "-c", "%n %F %U %a", *names)
    seen = dict(line.split(" ", 1) for line in found.stdout.splitlines())
    wrong = []
    for name, kind, owner, modes, _ in CONTRACT["Paths"]:
        words = {"folder": "directory", "file": "regular file"}[kind]
        if seen.get(name) not in {f"{words} {owner} {mode}" for mode in modes.split(" or ")}:
            wrong.append((name, seen.get(name)))
    assert not wrong, found.stderr


def test_commands(image):
    lines = "; ".join(f"echo '{row[0]}' $({row[2]} 2>/dev/null | head -n 1)"
                      for row in CONTRACT["Commands"])
    said = dict(line.partition(" ")[::2] for line in image.run("sh", "-c", lines).stdout.splitlines())
    for name, least, _ in CONTRACT["Commands"]:
        version = re.search(r"\d+(\.\d+)*", said[name])
        assert version, (name, said[name])
        numbers = [[int(n) for n in text.split(".")] for text in (version[0], least)]
        assert numbers[0] >= numbers[1], (name, said[name])


def test_the_user_can_work(image):
    script = """set -e
      sudo -n id -u
      python3 -m venv --without-pip /tmp/venv && /tmp/venv/bin/python -c 'print("venv")'
      python3 -c 'import matrx_agent; print(matrx_agent.info().sandbox_id)'
      cd "$(mktemp -d)" && echo 'int main(void) { return 0; }' >a.c && gcc a.c && ./a.out && echo built
      git init -q . && touch /data/x /data/cold/x && echo "$(id -u):$(id -g):$HOME"
    """
    done = image.run("bash", "-c", script)
    assert done.stdout.split() == ["0", "venv", "sbx-0123456789ab", "built",
                                   "1000:1000:/home/agent"], done.stderr


def test_settings(image):
    for name, value in CONTRACT["Process and signals"]:
        has = image.config.get(name)
        if name == "Healthcheck":
            has = has["Test"][1:]
        assert (" ".join(has) if isinstance(has, list) else has) == value, name


def test_variables_of_the_image(image):
    has = dict(line.split("=", 1) for line in image.config["Env"])
    assert has["LANG"] == "C.UTF-8" and has["PATH"].startswith("/home/agent/.local/bin:")
    told = {row[0] for row in CONTRACT["Variables"]}
    assert set(has) <= told, "an image sets variables that the contract does not name"


def test_labels(image):
    labels = image.config["Labels"]
    for name, value in CONTRACT["Labels"]:
        assert labels.get(name), name
        if value in ("1", "matrx-sandbox"):
            assert labels[name] == value, name
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["org.opencontainers.image.version"])


def test_no_secret_and_no_privilege_is_left_in_the_image(image):
    names = " ".join(image.config["Env"]).upper()
    assert not re.search(r"(KEY|TOKEN|SECRET|PASSWORD)=", names)
    unsafe = image.run("find", "/etc", "/usr", "/opt", "-xdev", "-type", "f", "-perm", "-o+w", user="root")
    assert unsafe.stdout == ""


def state(container):
    return json.loads(docker("inspect", container).stdout)[0]["State"]


def wait_ready(container, seconds=30):
    deadline = time.monotonic() + patience(seconds)
    while docker("exec", container, "test", "-s", "/tmp/.sandbox_ready").returncode:
        assert time.monotonic() < deadline, docker("logs", container).stderr
        time.sleep(0.1)


def test_by_hand_it_is_healthy_and_stops_gracefully():
    # One asks what is left before it ends, one does not listen, one is a child of none.
    script = ("trap 'echo asked; exit 0' TERM; (trap '' TERM; exec -a deaf sleep 99) &"
              " setsid sleep 98 & while :; do sleep 0.1; done")
    container = docker("run", "-d", "--network", "none", *FACTS, "-e", "MATRX_STOP_SECONDS=2",
                       IMAGE, f"{SCRIPTS}/entrypoint.sh", "bash", "-c", script).stdout.strip()
    try:
        wait_ready(container)
        health = docker("exec", container, f"{SCRIPTS}/healthcheck.sh")
        assert (health.returncode, health.stdout, health.stderr) == (0, "", "")
        docker("stop", "-t", "30", container)
        ended = state(container)
        assert (ended["ExitCode"], ended["OOMKilled"]) == (0, False)
        logs = docker("logs", container)
        assert "asked" in logs.stdout and "so killed" in logs.stderr
    finally:
        docker("rm", "-f", "-v", container)


def test_by_hand_it_refuses_wrong_variables():
    for facts, name in (((), "SANDBOX_ID"), (FACTS[:2], "USER_ID"),
                        ((*FACTS, "-e", "USER_ID=a b"), "USER_ID")):
        ran = docker("run", "--rm", "--network", "none", *facts, IMAGE)
        assert ran.returncode == 64 and f"matrx-sandbox: {name} is " in ran.stderr


def test_a_command_needs_no_variables():
    assert docker("run", "--rm", "--network", "none", IMAGE, "echo", "hi").stdout == "hi\n"


def test_the_browser_where_there_is_one():
    labels = json.loads(docker("image", "inspect", IMAGE).stdout)[0]["Config"]["Labels"]
    if labels["matrx.variant"] != "full":
        pytest.skip("this image has no browser: MATRX_CONTRACT_IMAGE=matrx-sandbox:full has one")
    ran = docker("run", "--rm", "--network", "none", IMAGE, "sh", "-c",
                 "echo '<p id=x>a</p><script>x.textContent=6*7</script>' >/tmp/p.html;"
                 " chromium --headless --dump-dom file:///tmp/p.html 2>/dev/null")
    assert '<p id="x">42</p>' in ran.stdout


def test_two_builds_have_the_same_files():
    """The image that is here, and another build on the same base, without what the engine remembers of earlier builds:
    contents, owners, modes, dates."""
    base = os.environ.get("MATRX_LOCAL_BASE", "matrx-base:trixie")
    layers = docker("image", "inspect", "-f", "{{join .RootFS.Layers \" \"}}", IMAGE).stdout.split()
    below = docker("image", "inspect", "-f", "{{join .RootFS.Layers \" \"}}", base).stdout.split()
    if not below or layers[:len(below)] != below:
        pytest.skip(f"the image is not built on {base}")
    again = f"matrx-same-{uuid.uuid4().hex[:8]}"
    try:
        # With another name for a base of its own, so that --force leaves the one that is here.
        built = subprocess.run([ROOT / "tools/build-image.sh", "--force"], capture_output=True, text=True, env={
            **os.environ, "MATRX_IMAGE_BASE": base, "MATRX_LOCAL_BASE": "none", "MATRX_SANDBOX_IMAGE": again})
        assert built.returncode == 0, built.stdout + built.stderr
        compared = subprocess.run([ROOT / "tools/compare_images.py", IMAGE, again], capture_output=True, text=True)
        assert compared.returncode == 0, compared.stdout + compared.stderr
        built_layers = docker("image", "inspect", "-f", "{{join .RootFS.Layers \" \"}}", again).stdout.split()
        assert built_layers != layers, "the second was no build of its own"
    finally:
        docker("rmi", "-f", again)
