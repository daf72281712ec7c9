#!/usr/bin/env python3
"""Checks that includes in src/ follow the arrows of the architecture.

    tools/include_graph.py              one line per violation: file:line: rule; exit 1 if there is any
    tools/include_graph.py --graph      the edges that exist, as a mermaid graph
    tools/include_graph.py --self-test  plants violations in a temporary tree and checks that each is caught
"""

import re
import sys
import tempfile
from pathlib import Path

# Folder of src/ → the folders it may include from, besides itself. An adapter is "adapters/<name>" and may never
# include another adapter. Unit tests (*_test.cpp) may include anything.
EVERYTHING = {"base", "async", "model", "wire", "ports", "core", "http", "api", "ssh", "adapters", "agent", "apps"}
ALLOWED = {
    "base": set(),
    "async": {"base"},
    "model": {"base"},
    "wire": {"base", "model"},
    "ports": {"base", "async", "model"},
    "core": {"base", "async", "model", "ports"},
    "http": {"base", "async"},
    "api": {"base", "async", "model", "ports", "core", "http", "wire"},
    "ssh": {"base", "async", "model", "ports", "core", "wire"},
    "adapters": {"base", "async", "model", "ports", "wire", "http"},
    "agent": {"base", "async", "model", "http", "wire"},
    "apps": EVERYTHING,
}

# Header of a library → the only folders that may include it. These hold for tests too.
ONLY_IN = {
    "boost/beast": {"src/http"},  # 9 to 20 s of compile time for each file that includes it
    "sqlite3.h": {"src/adapters/sqlite"},
    "libpq-fe.h": {"src/adapters/postgres"},
    "openssl/": {"src/http", "src/api", "src/ssh", "src/adapters/rclone"},
    "libssh/": {"src/ssh"},
    "boost/asio/ssl": {"src/http"},
}

SOURCE_SUFFIXES = {".hpp", ".h", ".cpp", ".cc", ".inc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def folder_of(path: Path) -> str:
    """src/core/x.hpp → core; src/adapters/docker/x.hpp → adapters/docker; x.hpp → ''."""
    parts = path.parts[:-1]
    if parts and parts[0] == "src":
        parts = parts[1:]
    depth = 2 if parts and parts[0] == "adapters" else 1
    return "/".join(parts[:depth])


def direction_violation(source: Path, included: str) -> str | None:
    """Says which rule `#include "included"` in a file of src/ breaks, if any."""
    own, target = folder_of(source), folder_of(Path(included))
    if ".." in Path(included).parts:
        return f'"{included}": include by the path from src/, not with ".."'
    if target in ("", own):  # a file name alone is a neighbour
        return None
    top, target_top = own.split("/")[0], target.split("/")[0]
    if top not in ALLOWED:
        return f"folder src/{top} is not in the table of tools/include_graph.py: decide what it may include"
    if target_top not in EVERYTHING:
        # Not a folder of src/: third-party code in quotes, or a reach into tests/.
        return f'{own} must not include "{included}" from tests' if target_top in ("tests", "fakes") else None
    if top == "adapters" and target_top == "adapters":
        return f'{own} must not include "{included}": an adapter never includes another adapter'
    if target_top not in ALLOWED[top] and target_top != top:
        may = ", ".join(sorted(ALLOWED[top])) or "nothing"
        return f'{own} must not include "{included}": {top} may include {may}'
    return None


def library_violation(source: Path, included: str) -> str | None:
    for header, homes in ONLY_IN.items():
        if included.startswith(header) and not any(source.is_relative_to(home) for home in homes):
            return f"<{included}> belongs in {' and '.join(sorted(homes))} only"
    return None


def includes(root: Path):
    """Yields (path from root, line number, included) for every include in src/ and tests/."""
    for top in ("src", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in SOURCE_SUFFIXES or not path.is_file():
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    yield path.relative_to(root), number, match[1], match[2]


def check(root: Path) -> list[str]:
    violations = []
    for source, number, quote, included in includes(root):
        rules = [library_violation(source, included)]
        is_test = source.parts[0] == "tests" or source.stem.endswith("_test")
        if quote == '"' and not is_test:
            rules.append(direction_violation(source, included))
        violations += [f"{source}:{number}: {rule}" for rule in rules if rule]
    return violations


def graph(root: Path) -> str:
    edges = set()
    for source, _, quote, included in includes(root):
        if source.parts[0] != "src" or source.stem.endswith("_test") or quote != '"':
            continue
        own, target = folder_of(source), folder_of(Path(included))
        if target.split("/")[0] in EVERYTHING and target != own:
            edges.add((own, target))
    return "\n".join(["graph TD"] + [f"  {a} --> {b}" for a, b in sorted(edges)])


def self_test() -> int:
    # (file, include line, words of the expected violation, or None if it is fine)
    cases = [
        ("src/core/a.hpp", '#include "http/server.hpp"', "core must not include"),
        ("src/base/b.hpp", '#include "model/sandbox.hpp"', "base may include nothing"),
        ("src/ports/c.hpp", '#  include "wire/json.hpp"', "ports must not include"),
        ("src/api/d.cpp", '#include "adapters/docker/runtime.hpp"', "api must not include"),
        ("src/adapters/docker/e.cpp", '#include "adapters/sqlite/store.hpp"', "never includes another adapter"),
        ("src/adapters/docker/f.cpp", '#include "core/lifecycle.hpp"', "adapters may include"),
        ("src/core/g.cpp", '#include "../http/server.hpp"', "by the path from src/"),
        ("src/novel/h.cpp", '#include "base/error.hpp"', "is not in the table"),
        ("src/core/i.cpp", '#include "tests/fakes/clock.hpp"', "from tests"),
        ("src/api/j.cpp", "#include <boost/beast/http.hpp>", "belongs in src/http only"),
        ("src/core/k_test.cpp", "#include <sqlite3.h>", "belongs in src/adapters/sqlite only"),
        ("tests/sim/l.cpp", "#include <openssl/evp.h>", "src/api and src/http and src/ssh only"),
        ("src/wire/m.cpp", "#include <libpq-fe.h>", "belongs in src/adapters/postgres only"),
        ("src/ssh/n.cpp", '#include "api/api.hpp"', "ssh may include"),
        ("src/api/o.cpp", "#include <libssh/libssh.h>", "belongs in src/ssh only"),
        ("src/core/ok_test.cpp", '#include "adapters/memory/store.hpp"', None),
        ("src/core/ok.cpp", '#include "ports/store.hpp"', None),
        ("src/core/ok2.cpp", '#include "lifecycle.hpp"', None),
        ("src/http/ok.cpp", "#include <boost/beast/core.hpp>", None),
        ("src/adapters/sqlite/ok.cpp", '#include "adapters/sqlite/rows.hpp"', None),
        ("src/apps/orchestrator/ok.cpp", '#include "adapters/docker/runtime.hpp"', None),
        ("tests/contract/ok.cpp", '#include "adapters/sqlite/store.hpp"', None),
    ]
    wrong = []
    for path, line, expected in cases:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            (root / path).parent.mkdir(parents=True)
            (root / path).write_text(f"#pragma once\n{line}\n")
            found = check(root)
        if expected is None and found:
            wrong.append(f"{path} with {line} is fine, but: {found}")
        caught = len(found) == 1 and found[0].startswith(f"{path}:2: ") and (expected or "") in found[0]
        if expected is not None and not caught:
            wrong.append(f"{path} with {line} should say '{expected}', but: {found}")
    print("\n".join(wrong) or f"self-test: {len(cases)} cases as expected")
    return 1 if wrong else 0


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parent.parent
    if arguments == ["--self-test"]:
        return self_test()
    if arguments == ["--graph"]:
        print(graph(root))
        return 0
    if arguments:
        print(__doc__)
        return 2
    violations = check(root)
    print("\n".join(violations) or "includes follow the architecture")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
