"""Which sources CI reads once more by themselves."""
import subprocess
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import changed_sources  # noqa: E402

ALL = changed_sources.sources()


def test_a_changed_source_and_who_includes_a_changed_header():
    found = changed_sources.affected(ALL, {"src/core/feed.cpp", "src/core/home_plan.hpp"})
    names = {str(path) for path in found}
    assert {"src/core/feed.cpp", "src/core/home_plan.cpp"} <= names < {str(path) for path in ALL}
    assert "src/http/client.cpp" not in names
    assert changed_sources.affected(ALL, set()) == []


def test_all_where_many_headers_changed_or_nothing_is_known():
    many = {f"src/core/header_{number}.hpp" for number in range(changed_sources.HEADERS_MAX + 1)}
    assert changed_sources.affected(ALL, many) == ALL
    assert changed_sources.affected(ALL, {".clang-tidy"}) == ALL
    assert changed_sources.affected(ALL, changed_sources.changed_since("0" * 40)) == ALL


def test_the_stamp_names_a_commit_of_this_history():
    """Else every run would look at everything, and nobody would notice."""
    shallow = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True)
    if shallow.stdout.strip() == "false":
        commit = changed_sources.STAMP.read_text().strip()
        assert subprocess.run(["git", "merge-base", "--is-ancestor", commit, "HEAD"], cwd=ROOT).returncode == 0
