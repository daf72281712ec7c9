#!/usr/bin/env python3
"""Prints the sources (without tests) that may be otherwise than at the commit named in .ci/lint-clean: those that have
changed, and those that include a changed header themselves. All of them where many headers or the settings of
clang-tidy have changed, or where that commit is not to be had (a shallow clone). For tools/lint.sh; `make lint` writes
the file.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAMP = ROOT / ".ci/lint-clean"
HEADERS_MAX = 12  # changed: then what includes them at second hand is too much to reason about
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def sources() -> list[Path]:
    found = (path.relative_to(ROOT) for path in (ROOT / "src").rglob("*.cpp"))
    return sorted(path for path in found if not path.name.endswith("_test.cpp"))


def changed_since(commit: str) -> set[str] | None:
    """Paths of sources, headers and settings, committed or not; None where git cannot say."""
    found = set()
    for command in (["diff", "--name-only", commit, "--", "src", ".clang-tidy"],
                    ["ls-files", "--others", "--exclude-standard", "src"]):
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            return None
        found |= set(done.stdout.split())
    return found


def affected(all_sources: list[Path], changed: set[str] | None) -> list[Path]:
    headers = {path.removeprefix("src/") for path in changed or () if path.endswith(".hpp")}
    if changed is None or ".clang-tidy" in changed or len(headers) > HEADERS_MAX:
        return all_sources

    def is_affected(path: Path) -> bool:
        return str(path) in changed or not headers.isdisjoint(INCLUDE.findall((ROOT / path).read_text()))
    return [path for path in all_sources if is_affected(path)]


def main() -> int:
    commit = STAMP.read_text().strip() if STAMP.exists() else ""
    changed = changed_since(commit) if re.fullmatch("[0-9a-f]{40}", commit) else None
    for path in affected(sources(), changed):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
