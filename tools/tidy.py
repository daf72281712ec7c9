#!/usr/bin/env python3
"""House rules that neither the compiler nor clang-tidy checks, over all files under version control.

One line per violation, file:line: rule; exit 1 if there is any. A line that has a good reason to break a rule carries
the words "tidy-ok: <reason>".
"""

import re
import subprocess
import sys
from pathlib import Path

LINE_COLUMNS_MAX = 120
SOURCE_LINES_MAX = 600
CODE = {".cpp", ".hpp", ".h", ".py", ".sh", ".cmake", ".ts", ".tsx", ".sql"}
CODE_NAMES = {"Makefile", "Dockerfile", "CMakeLists.txt", "run"}
ALLOW = "tidy-ok: "

# Written in pieces, so that this file passes its own check.
MARKERS = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")
# Folders of developers' machines; not as a part of a longer path or of a URL.
MACHINE_PATHS = re.compile(r"(?<![\w.~*/-])/(?:work|root)/")  # tidy-ok: the pattern itself
DETACHED = re.compile(r"\bco_spawn\s*\([^;]*?\bdetached\b")


def files(root: Path) -> list[Path]:
    """Files under version control and those about to be."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    return sorted({Path(name) for name in names if name and (root / name).is_file()})


def check(path: Path, text: str) -> list[str]:
    lines = text.splitlines()
    is_code = path.suffix in CODE or path.name in CODE_NAMES
    found = []

    def report(number: int, rule: str) -> None:
        if ALLOW not in lines[number - 1]:
            found.append(f"{path}:{number}: {rule}")

    for number, line in enumerate(lines, 1):
        marker = MARKERS.search(line)
        if marker:
            report(number, f"marker {marker[1]}: do it now, or describe it in an issue")
        if MACHINE_PATHS.search(line):
            report(number, "path of one developer's machine: use a relative path or a variable")
        if is_code and len(line) > LINE_COLUMNS_MAX:
            report(number, f"{len(line)} columns: {LINE_COLUMNS_MAX} at most")
    if path.suffix in CODE and len(lines) > SOURCE_LINES_MAX:
        report(len(lines), f"{len(lines)} lines: split the file, {SOURCE_LINES_MAX} at most")
    if path.parts[0] == "src":
        for match in DETACHED.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            report(number, "detached co_spawn: give the task an owner that waits for it (async/task_group.hpp)")
    return found


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    violations, count = [], 0
    for path in files(root):
        data = (root / path).read_bytes()
        if b"\0" not in data:  # text
            count += 1
            violations += check(path, data.decode(errors="replace"))
    print("\n".join(violations) or f"{count} files follow the house rules")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
