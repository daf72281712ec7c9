#!/usr/bin/env python3
"""A table by folder of what `llvm-cov export -summary-only` has counted: tools/coverage_table.py FILE.json SOURCES

tools/coverage_table.py --self-test checks it on a small example.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

KINDS = ("lines", "branches", "functions")


def by_folder(export: dict, sources: str) -> dict[str, dict[str, list[int]]]:
    """Folder below the sources: {kind: [run, all]}."""
    sums: dict[str, dict[str, list[int]]] = defaultdict(lambda: {kind: [0, 0] for kind in KINDS})
    for file in export["data"][0]["files"]:
        folder = Path(file["filename"]).relative_to(sources).parent.as_posix()
        for kind in KINDS:
            sums[folder][kind][0] += file["summary"][kind]["covered"]
            sums[folder][kind][1] += file["summary"][kind]["count"]
    return dict(sums)


def share(run: int, of: int) -> str:
    return f"{100 * run / of:6.1f} %" if of else "     - "


def table(sums: dict[str, dict[str, list[int]]]) -> list[str]:
    total = {kind: [sum(one[kind][i] for one in sums.values()) for i in (0, 1)] for kind in KINDS}
    lines = [f"{'folder':<22}{'lines':>8}{'run':>10}{'branches':>11}{'run':>10}{'functions':>11}{'run':>10}"]
    for name, one in [*sorted(sums.items()), ("all of src/", total)]:
        cells = (f"{one[kind][1]:>{width}}{share(*one[kind]):>10}" for kind, width in zip(KINDS, (8, 11, 11)))
        lines.append(f"{name:<22}" + "".join(cells))
    return lines


def self_test() -> None:
    def file(name: str, *pairs: tuple[int, int]) -> dict:
        return {"filename": f"/s/{name}",
                "summary": {kind: {"covered": run, "count": of} for kind, (run, of) in zip(KINDS, pairs)}}

    export = {"data": [{"files": [file("a/x.cpp", (1, 2), (0, 0), (1, 1)), file("a/y.cpp", (2, 2), (1, 4), (1, 1)),
                                  file("b/c/z.cpp", (0, 4), (0, 4), (0, 2))]}]}
    lines = [line.split() for line in table(by_folder(export, "/s"))]
    assert lines[1] == ["a", "4", "75.0", "%", "4", "25.0", "%", "2", "100.0", "%"], lines[1]
    assert lines[2] == ["b/c", "4", "0.0", "%", "4", "0.0", "%", "2", "0.0", "%"], lines[2]
    assert lines[3] == ["all", "of", "src/", "8", "37.5", "%", "8", "12.5", "%", "4", "50.0", "%"], lines[3]
    assert share(0, 0).strip() == "-"


def main() -> None:
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    file, sources = sys.argv[1:]
    print("\n".join(table(by_folder(json.loads(Path(file).read_text()), sources))))


if __name__ == "__main__":
    main()
