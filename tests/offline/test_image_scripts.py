"""The image's scripts with right and wrong variables. What they do in a container is an integration test."""
import os
import signal
import socket
import subprocess
import time

import pytest
from conftest import ROOT

SCRIPTS = ROOT / "sandbox-image"
WRONG_SETTING = 64
GOOD = {"SANDBOX_ID": "sbx-0123456789ab", "USER_ID": "some.one-1_x"}


@pytest.fixture
def run(tmp_path):
    def run(script, *arguments, **changes):
        return subprocess.run([SCRIPTS / script, *arguments], env=environment(tmp_path, **changes),
                              capture_output=True, text=True, timeout=20)
    return run


def environment(folder, **changes):
    (folder / "home").mkdir(exist_ok=True)
    names = {"PATH": os.environ["PATH"], "HOT_PATH": str(folder / "home"),
             "MATRX_READY_FILE": str(folder / "ready"),
             "MATRX_AGENT_SOCKET": str(folder / "socket"), **GOOD, **changes}
    return {name: value for name, value in names.items() if value is not None}


WRONG = [
    ("SANDBOX_ID", None), ("SANDBOX_ID", ""), ("SANDBOX_ID", "sbx-0123456789AB"),
    ("SANDBOX_ID", "sbx-0123456789abc"), ("SANDBOX_ID", "sbx-0123456789ab\n"),
    ("SANDBOX_ID", "sbx-0123456789ab;id"), ("SANDBOX_ID", "$(id)"),
    ("USER_ID", None), ("USER_ID", ""), ("USER_ID", "."), ("USER_ID", ".."), ("USER_ID", "a b"),
    ("USER_ID", "a/../b"), ("USER_ID", "x" * 256), ("USER_ID", "é"), ("USER_ID", "a\nb"),
    ("HOT_PATH", "home"), ("HOT_PATH", "/home/../etc"), ("HOT_PATH", "/a\nb"),
    ("COLD_PATH", "cold"), ("COLD_PATH", "/data/.."),
    ("ORCHESTRATOR_URL", "file:///etc/passwd"), ("ORCHESTRATOR_URL", "http://"),
    ("ORCHESTRATOR_URL", "http://a b"),
    ("MATRX_STOP_SECONDS", "0"), ("MATRX_STOP_SECONDS", "soon"), ("MATRX_STOP_SECONDS", "10000")]


@pytest.mark.parametrize("script", ["entrypoint.sh", "healthcheck.sh"])
@pytest.mark.parametrize("name, value", WRONG)
def test_a_wrong_variable_is_named_and_nothing_is_run(run, tmp_path, script, name, value):
    ran = run(script, "touch", str(tmp_path / "ran"), **{name: value})
    assert ran.returncode == WRONG_SETTING and ran.stdout == ""
    assert ran.stderr.startswith(f"matrx-sandbox: {name} is ") and ran.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists() and not (tmp_path / "ready").exists()


def test_a_home_that_is_missing_is_named(run, tmp_path):
    ran = run("entrypoint.sh", "true", HOT_PATH=str(tmp_path / "none"))
    assert ran.returncode == WRONG_SETTING and "there is no such folder" in ran.stderr


@pytest.mark.parametrize("user", ["a", "A.b_c-9", "x" * 255, "..."])
def test_right_users_are_taken(run, user):
    assert run("entrypoint.sh", "true", USER_ID=user).returncode == 0


def test_a_command_runs_in_the_home_and_its_exit_code_is_kept(run, tmp_path):
    ran = run("entrypoint.sh", "bash", "-c", 'pwd; echo "$1"; cat "$2"; exit 7', "-", "two  words *",
              str(tmp_path / "ready"))
    assert ran.returncode == 7
    assert ran.stdout.splitlines()[:2] == [str(tmp_path / "home"), "two  words *"]
    assert not (tmp_path / "ready").exists()  # readiness ends with the command


def test_it_is_ready_until_it_is_told_to_stop(tmp_path):
    log = tmp_path / "log"
    with open(log, "w") as stderr:
        script = subprocess.Popen([SCRIPTS / "entrypoint.sh", "sleep", "60"], stderr=stderr,
                                  env=environment(tmp_path), start_new_session=True)
    try:
        for _ in range(500):
            if (tmp_path / "ready").exists() and (tmp_path / "ready").read_text():
                break
            time.sleep(0.01)
        assert (tmp_path / "ready").read_text() == GOOD["SANDBOX_ID"] + "\n"
        script.send_signal(signal.SIGTERM)
        script.wait(10)
        # Outside of the image the part that ends all processes refuses to work.
        assert "only inside the sandbox image" in log.read_text()
        assert script.returncode == WRONG_SETTING and not (tmp_path / "ready").exists()
    finally:
        os.killpg(script.pid, signal.SIGKILL)


def test_shutdown_refuses_to_run_outside_of_the_image(run):
    ran = run("shutdown.sh")
    assert ran.returncode == WRONG_SETTING and "only inside the sandbox image" in ran.stderr


def test_health_needs_readiness_and_a_home(run, tmp_path):
    ran = run("healthcheck.sh")
    assert ran.returncode == 1 and "ready" in ran.stderr
    (tmp_path / "ready").touch()
    assert (run("healthcheck.sh").returncode, list((tmp_path / "home").iterdir())) == (0, [])
    ran = run("healthcheck.sh", HOT_PATH="/dev/null")
    assert ran.returncode == 1 and "/dev/null is missing" in ran.stderr
    (tmp_path / "ready").unlink()
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "socket"))
        assert run("healthcheck.sh").returncode == 0


def test_an_error_is_trapped_with_its_line(tmp_path):
    script = tmp_path / "broken.sh"
    script.write_text(f"source '{SCRIPTS}/common.sh'\nfirst() {{ false; }}\nfirst\necho never\n")
    ran = subprocess.run(["bash", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "matrx-sandbox: broken.sh: line 2 ended with 1: false\n"
