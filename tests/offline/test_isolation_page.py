"""docs/isolation.md says what the escape tests expect, and these know every try that there is."""
import re
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/integration/escape"))
import table  # noqa: E402


def test_the_page_is_what_the_tests_expect():
    assert (ROOT / "docs/isolation.md").read_text() == table.markdown(), "run tests/integration/escape/table.py --write"


def test_the_table_and_the_tries_know_each_other():
    text = (ROOT / "tests/integration/escape/inside.py").read_text()
    tries = set(re.findall(r"@attempt\ndef (\w+)", text))
    listed = re.search(r"for place in \(([^)]+)\)", text).group(1)
    tries |= {"connect_" + place for place in re.findall(r'"(\w+)"', listed)}
    assert tries == set(table.names())
    assert set(table.OPEN) <= tries


def test_rules_by_hand_are_those_of_the_program():
    source = (ROOT / "src/adapters/docker/firewall_rules.cpp").read_text()
    listed = re.search(r"private_ranges\(\) \{.*?= \{(.*?)\};", source, re.DOTALL).group(1)
    ranges = re.findall(r'"([\d./]+)"', listed)
    guide = (ROOT / "docs/operations.md").read_text()
    by_hand = re.search(r"for range in (.*?); do", guide, re.DOTALL).group(1).replace("\\", " ").split()
    assert len(ranges) >= 12 and by_hand == ranges


def test_what_is_unexpected_is_found():
    good = {name: table.expected(name, "strict") for name in table.names()}
    good |= {"status_" + field: value for field, value in table.STATUS["strict"].items()}
    assert table.unexpected("strict", good) == {}
    assert table.unexpected("strict", good | {"mknod_any": "open"}) == {"mknod_any": "open"}
    assert table.unexpected("strict", good | {"mknod_any": "broken x"}) == {"mknod_any": "broken x"}
    assert table.unexpected("strict", good | {"status_Seccomp": "0"}) == {"status_Seccomp": "0"}
    assert table.unexpected("strict", good | {"unknown": "refused"}) == {"unknown": "refused"}
    del good["chroot"]
    assert table.unexpected("strict", good) == {"chroot": "never tried"}
