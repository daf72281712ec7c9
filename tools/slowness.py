#!/usr/bin/env python3
"""Prints how many times slower this machine is now than the quiet one that the tests' limits were chosen for: 1 to 20.

tools/lib.sh asks it once at the start of a run and hands the answer on as MATRX_TEST_SLOWNESS; tests stretch by it what
they wait at most (tests/integration/patience.py, tests/fakes/patience.hpp, ctest's own limit). It is a limit against
hanging and measures nothing, so being roughly right is enough. Takes about a second where the machine is quiet.
"""

import os
import statistics
import time

# What each takes there.
COUNT_S = 0.055
STARTS_S = 0.040
COUNT = 1_000_000
STARTS = 60
ROUNDS = 5
SLOWNESS_MAX = 20


def counting() -> float:
    """A processor at work."""
    begun = time.perf_counter()
    sum(number & 3 for number in range(COUNT))
    return (time.perf_counter() - begun) / COUNT_S


def starting() -> float:
    """The kernel at work, and how long who has just been woken waits for a processor."""
    begun = time.perf_counter()
    for _ in range(STARTS):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    return (time.perf_counter() - begun) / STARTS_S


def main() -> None:
    found = max(statistics.median(measure() for _ in range(ROUNDS)) for measure in (counting, starting))
    print(f"{min(max(found, 1), SLOWNESS_MAX):.1f}")


if __name__ == "__main__":
    main()
