#!/usr/bin/env python3
"""Counts test results: tools/count_results.py build/results/unit.xml build/results/integration.xml

Reads JUnit files as ctest and pytest write them. Prints the failed tests, one line per file, and as the very last line
"N passed, N failed" with ", N skipped" if there were any. Every file named must exist, be readable and hold at least
one test: a runner that crashed counts as a failure. Exits with 1 unless everything passed.

tools/count_results.py --self-test checks the counter itself.
"""

import contextlib
import io
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
FAILURE_LINES_MAX = 20
# GoogleTest's frame around what a test says.
NOISE = re.compile(r"^(\[[ =-]|Running main\(\)|Note: Google Test|\s*\d+ FAILED TEST)")


def outcome(case: ElementTree.Element) -> str:
    status = case.get("status", "")  # ctest only
    skipped = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None or status == "fail":
        return FAILED
    if status == "disabled":
        return SKIPPED
    if status == "notrun":
        # ctest writes <skipped> for a test that skipped itself and also for one whose program is missing.
        message = "" if skipped is None else skipped.get("message", "")
        return SKIPPED if message.startswith("SKIP_") else FAILED
    return PASSED if skipped is None else SKIPPED


def name_of(case: ElementTree.Element) -> str:
    name, group = case.get("name", "?"), case.get("classname", "")
    return name if group in ("", name) else f"{group}::{name}"


def why(case: ElementTree.Element) -> list[str]:
    """The last lines of what a failed test had to say."""
    texts = []
    for tag in ("failure", "error", "skipped"):
        element = case.find(tag)
        if element is not None:
            texts.append(element.text or element.get("message", ""))
    if not any(texts):
        texts.append(case.findtext("system-out", ""))
    lines = [line for text in texts for line in text.splitlines() if line.strip() and not NOISE.match(line)]
    return lines[-FAILURE_LINES_MAX:] or ["(no message: it crashed or ran out of time)"]


def count(path: Path) -> tuple[dict[str, int], str]:
    """Counts one file; the second value says what is wrong with the file itself."""
    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except FileNotFoundError:
        return counts | {FAILED: 1}, "no result file: its runner did not finish"
    except (OSError, ElementTree.ParseError) as error:
        return counts | {FAILED: 1}, f"unreadable result file: {error}"
    if not cases:
        return counts | {FAILED: 1}, "no tests in it"
    for case in cases:
        result = outcome(case)
        counts[result] += 1
        if result == FAILED:
            print(f"FAILED {path.stem}: {name_of(case)}")
            for line in why(case):
                print(f"    {line}")
    return counts, ""


def summary(counts: dict[str, int]) -> str:
    skipped = f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else ""
    return f"{counts[PASSED]} passed, {counts[FAILED]} failed{skipped}"


def self_test() -> int:
    # content of a result file, or None for no file → the total and the exit code
    samples = [
        ('<testcase name="a" status="run"/>', "1 passed, 0 failed", 0),
        ('<testcase name="a" status="run"/><testcase name="b" status="fail"><failure/></testcase>',
         "1 passed, 1 failed", 1),
        ('<testcase name="a" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>'
         '<testcase name="b" status="disabled"/><testcase name="c" status="run"/>', "1 passed, 0 failed, 2 skipped", 0),
        ('<testcase name="a" status="notrun"><skipped message="Unable to find executable"/></testcase>',
         "0 passed, 1 failed", 1),
        ('<testsuite><testcase name="a"/><testcase name="b"><error message="x">trace</error></testcase>'
         '<testcase name="c"><skipped message="why"/></testcase></testsuite>', "1 passed, 1 failed, 1 skipped", 1),
        ('<testcase name="a"><skipped/></testcase>', "0 passed, 0 failed, 1 skipped", 1),
        ("", "0 passed, 1 failed", 1),
        ("<testcase", "0 passed, 1 failed", 1),
        (None, "0 passed, 1 failed", 1),
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (content, expected, code) in enumerate(samples):
            path = Path(folder) / f"{number}.xml"
            if content is not None:
                path.write_text(f"<testsuites>{content}</testsuites>")
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                got = main([str(path)])
            if (got, output.getvalue().splitlines()[-1]) != (code, expected):
                wrong += 1
                print(f"sample {number}: expected exit {code} and '{expected}', got exit {got} and:")
                print(output.getvalue())
    print(f"self-test: {len(samples) - wrong} of {len(samples)} samples as expected")
    return 1 if wrong else 0


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        return self_test()
    total = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    lines = []
    for path in map(Path, arguments):
        counts, problem = count(path)
        lines.append(f"{path.stem}: {summary(counts)}" + (f" ({problem})" if problem else ""))
        for key, value in counts.items():
            total[key] += value
    for line in lines:
        print(line)
    print(summary(total))
    return 0 if total[FAILED] == 0 and total[PASSED] > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
