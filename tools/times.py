#!/usr/bin/env python3
"""Where the time of a run went: its steps, the slowest files to compile and to lint, the slowest tests.

tools/times.py [STEPS_TSV]   default: the newest table in build/results (tools/lib.sh writes them). Reads besides what
                             lies in build: ninja's logs, the times of clang-tidy, the JUnit files of the tests.

"busy" is the processor time of the whole machine during a step, over all processors: with two of them, a step that
uses both all the time is busy for twice its seconds. "stolen" is what other machines took from this virtual one.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "build"
FILES_MAX = 5
TESTS_MAX = 20


def steps(path: Path) -> list[str]:
    """The steps in the order of their beginnings, those within another one indented."""
    rows = []
    for line in path.read_text().splitlines():
        begin, depth, seconds, busy, stolen, code, name = line.split("\t", 6)
        rows.append((int(begin), int(depth), int(seconds), int(busy), int(stolen), int(code), name))
    # A step is noted when it ends. Where two began in the same second, the outer one comes first.
    rows.sort(key=lambda row: (row[0], row[1]))
    lines = [f"{'seconds':>8}{'busy':>8}{'stolen':>8}  step"]
    for _, depth, seconds, busy, stolen, code, name in rows:
        failed = f" FAILED ({code})" if code else ""
        lines.append(f"{seconds:8}{busy:8}{stolen:8}  {'   ' * depth}{name}{failed}")
    return lines


def compiled() -> dict[str, list[tuple[float, str]]]:
    """Seconds of each object file by the folder of the build."""
    found = {}
    for log in sorted(BUILD.glob("*/.ninja_log")):
        times = {}
        for line in log.read_text().splitlines():
            fields = line.split("\t")
            if len(fields) == 5 and fields[3].endswith((".o", ".pch")):
                times[fields[3]] = (int(fields[1]) - int(fields[0])) / 1000
        found[log.parent.name] = [(seconds, short(name)) for name, seconds in times.items()]
    return found


def short(name: str) -> str:
    """CMakeFiles/matrx_http.dir/src/http/server.cpp.o → src/http/server.cpp"""
    parts = name.removesuffix(".o").split("/")
    return "/".join(parts[2:]) if parts[0] == "CMakeFiles" else "/".join(parts)


def linted(tool: str) -> list[tuple[float, str]]:
    path = BUILD / f"results/lint-{tool}.tsv"
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [(float(seconds), name) for seconds, name in rows]


def tested() -> list[tuple[float, str]]:
    found = []
    for path in sorted((BUILD / "results").glob("*.xml")):
        try:
            cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        except ElementTree.ParseError:
            continue
        if path.stem.startswith("check-"):
            continue  # these are steps
        for case in cases:
            name = "::".join(part for part in (case.get("classname", ""), case.get("name", "?")) if part)
            found.append((float(case.get("time") or 0), f"{path.stem}: {name}"))
    return found


def slowest(title: str, rows: list[tuple[float, str]], most: int) -> list[str]:
    if not rows:
        return []
    total = sum(seconds for seconds, _ in rows)
    lines = ["", f"{title}: the slowest of {len(rows)}, which took {total:.0f} s one after the other"]
    return lines + [f"{seconds:8.1f}  {name}" for seconds, name in sorted(rows, reverse=True)[:most]]


def main(arguments: list[str]) -> int:
    tables = [Path(name) for name in arguments] or sorted(
        (BUILD / "results").glob("steps-*.tsv"), key=lambda path: path.stat().st_mtime)[-1:]
    if not tables or not tables[0].exists():
        print("tools/times.py: no run has left a table of its steps in build/results.", file=sys.stderr)
        return 1
    lines = steps(tables[0])
    for name, rows in compiled().items():
        lines += slowest(f"compiled for {name}", rows, FILES_MAX)
    lines += slowest("clang-tidy", linted("tidy"), FILES_MAX)
    lines += slowest("read alone", linted("alone"), FILES_MAX)
    lines += slowest("tests", tested(), TESTS_MAX)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
