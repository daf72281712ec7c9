"""How long a test waits at most. Such a limit tells a wait from one without end and measures nothing, so it grows with
the slowness of the machine: `tools/slowness.py`, asked once by who starts the tests."""
import os

SLOWNESS = max(float(os.environ.get("MATRX_TEST_SLOWNESS") or 1), 1.0)


def patience(seconds):
    """Seconds of a quiet machine, on this one."""
    return seconds * SLOWNESS


def lifetime(seconds):
    """The ttl_seconds of a sandbox that must still live when the test has done a few things with it."""
    return round(patience(seconds))
