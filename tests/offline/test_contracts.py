"""A contract suite tries every method of its port."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Ports with more than one adapter. Of the others the one adapter has tests of its own.
SUITES = {
    "store": ("store_contract_test.cpp", "store_time_test.cpp"),
    "storage": ("storage_contract_test.cpp",),
}


def methods_of(header):
    """Names of what is virtual, but for destructors."""
    return set(re.findall(r"virtual\s[^;{~]*?(\w+)\(", header))


def untried(header, suites):
    return sorted(name for name in methods_of(header) if not re.search(rf"(?:->|\.){name}\(", suites))


@pytest.mark.parametrize("port", SUITES)
def test_every_method_is_tried(port):
    header = (ROOT / "src/ports" / f"{port}.hpp").read_text()
    suites = "".join((ROOT / "tests/contract" / name).read_text() for name in SUITES[port])
    assert len(methods_of(header)) > 10
    assert untried(header, suites) == []


def test_what_is_not_tried_is_found():
    header = "virtual ~Port();\n  virtual Task<Result<void>> open() = 0;\n  virtual bool can(\n    int) const;"
    assert methods_of(header) == {"open", "can"}
    assert untried(header, "run(port->open())") == ["can"]
