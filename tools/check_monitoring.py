#!/usr/bin/python3
"""Checks deploy/monitoring against the program: every metric and label that alerts and the dashboard name exists, every
metric is used, and docs/operations.md says what each alert means.

  tools/check_monitoring.py
  tools/check_monitoring.py --self-test    that each rule finds what it is for

The first line names Debian's Python on purpose: it is the one that has python3-yaml.
"""
import json
import pathlib
import re
import sys

import yaml
from check_run import run

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/api/metrics.cpp"
GUIDE = ROOT / "docs/operations.md"
RULES = ROOT / "deploy/monitoring/matrx-rules.yml"
DASHBOARD = ROOT / "deploy/monitoring/grafana-dashboard.json"
FROM_PROMETHEUS = {"up"}
LABELS_FROM_PROMETHEUS = {"job", "instance"}
OVER_TIME = {"rate", "irate", "increase"}
WORDS = {"by", "without", "and", "or", "unless", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
DURATION = re.compile(r"[1-9]\d*[smhd]")
COLUMNS = 24


def metrics_of(source):
    """Names and labels that the program writes."""
    return (set(re.findall(r'"(matrx_[a-z0-9_]+)"', source)),
            set(re.findall(r'(\w+)=\\"', source)))


def check_expression(where, text, names, labels, used):
    """PromQL, as far as names go: what is measured, its labels, and that counters are only looked at over time."""
    open_ones = []
    for mark in re.sub(r'"[^"]*"', '""', text):
        if mark in "([{":
            open_ones.append(mark)
        elif mark in ")]}" and (not open_ones or open_ones.pop() + mark not in ("()", "[]", "{}")):
            yield f"{where}: brackets do not match"
            return
    if open_ones:
        yield f"{where}: brackets do not match"
    for inner in re.findall(r"\{([^}]*)\}", text):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inner):
            if label not in labels | LABELS_FROM_PROMETHEUS:
                yield f"{where}: there is no label {label}"
    for inner in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", text):
        for label in re.findall(r"\w+", inner):
            if label not in labels | LABELS_FROM_PROMETHEUS:
                yield f"{where}: there is no label {label}"
    bare = re.sub(r'\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(?:by|without|on|ignoring)\s*\([^)]*\)', " ", text)
    found = 0
    for match in re.finditer(r"(?<![\w$])([a-z_][a-z0-9_]*)\b(\s*\()?", bare):
        name, is_function = match[1], match[2]
        if is_function or name in WORDS:
            continue
        found += 1
        used.add(name)
        if name not in names | FROM_PROMETHEUS:
            yield f"{where}: there is no metric {name}"
        function = re.search(r"(\w+)\s*\(\s*$", bare[:match.start()])
        is_over_time = bool(function) and function[1] in OVER_TIME
        if name.endswith("_total") != is_over_time:
            yield f"{where}: {name} is {'used' if not is_over_time else 'no counter, but used'} " + \
                ("without rate or increase" if not is_over_time else "with one's function")
    if not found:
        yield f"{where}: it measures nothing"


def check_rules(text, guide, names, labels, used):
    headings = set(re.findall(r"^#+ (Matrx\w+)$", guide, re.MULTILINE))
    alerts = set()
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            alert = rule.get("alert", "without a name")
            if alert in alerts:
                yield f"{alert}: it is there twice"
            alerts.add(alert)
            yield from check_expression(alert, rule.get("expr", ""), names, labels, used)
            if "for" in rule and not DURATION.fullmatch(rule["for"]):
                yield f"{alert}: 'for' is no duration"
            if rule.get("labels", {}).get("severity") not in ("warning", "critical"):
                yield f"{alert}: its severity is neither warning nor critical"
            notes = rule.get("annotations", {})
            if not notes.get("summary") or not notes.get("description"):
                yield f"{alert}: it has no summary or no description"
            if notes.get("runbook") != f"docs/operations.md#{alert.lower()}":
                yield f"{alert}: its runbook is not its heading in docs/operations.md"
    for alert in sorted(alerts - headings):
        yield f"docs/operations.md: nothing about {alert}"
    for alert in sorted(headings - alerts):
        yield f"docs/operations.md: there is no alert {alert}"


def check_dashboard(text, names, labels, used):
    try:
        dashboard = json.loads(text)
    except ValueError as error:
        yield f"dashboard: {error}"
        return
    for needed in ("uid", "title", "schemaVersion", "panels", "templating"):
        if not dashboard.get(needed):
            yield f"dashboard: {needed} is missing"
    known = {v["name"] for v in dashboard.get("templating", {}).get("list", [])} | {"__rate_interval", "__all"}
    ids, cells = set(), {}
    for panel in dashboard.get("panels", []):
        where = f"panel {panel.get('title', 'without a title')}"
        if panel.get("id") in ids:
            yield f"{where}: its id is there twice"
        ids.add(panel.get("id"))
        if not panel.get("description"):
            yield f"{where}: it has no description"
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{where}: it is wider than the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = cells.setdefault((x, y), where)
                if other != where:
                    yield f"{where}: it lies over {other}"
                    break
        for target in panel.get("targets") or [{}]:
            expression = target.get("expr", "")
            for variable in re.findall(r"\$\{?(\w+)", expression):
                if variable not in known:
                    yield f"{where}: there is no variable {variable}"
            yield from check_expression(where, expression, names, labels, used)


def check(source, rules, dashboard, guide):
    """One line for each thing that is wrong."""
    names, labels = metrics_of(source)
    used = set()
    yield from check_rules(rules, guide, names, labels, used)
    shown = set()
    yield from check_dashboard(dashboard, names, labels, shown)
    for name in sorted(names - shown):
        yield f"the dashboard does not show {name}"


def self_test():
    good = {"source": SOURCE.read_text(), "rules": RULES.read_text(), "dashboard": DASHBOARD.read_text(),
            "guide": GUIDE.read_text()}
    assert not list(check(**good)), list(check(**good))
    assert len(metrics_of(good["source"])[0]) >= 9

    def broken(words, which, old, new):
        assert old in good[which], (which, old)
        found = list(check(**{**good, which: good[which].replace(old, new, 1)}))
        assert any(words in line for line in found), (words, found)

    broken("no metric matrx_active_boxes", "rules", "matrx_active_sandboxes", "matrx_active_boxes")
    broken("no metric matrx_unsaved_homes", "source", '"matrx_unsaved_homes"', '"matrx_homes_unsaved"')
    broken("does not show matrx_new", "source", '"matrx_info"', '"matrx_new" "matrx_info"')
    broken("no label colour", "rules", 'outcome="failure"', 'colour="red"')
    broken("no label colour", "rules", "by (instance, direction)", "by (colour)")
    broken("brackets", "rules", "> 2", "> 2)")
    broken("brackets", "rules", "[30m]", "[30m")
    broken("without rate", "rules", "increase(matrx_home_syncs_total", "sum(matrx_home_syncs_total")
    broken("no counter", "rules", "resets(matrx_uptime", "rate(matrx_uptime")
    broken("measures nothing", "rules", "matrx_active_sandboxes > 40", "40 > 40")
    broken("no duration", "rules", "for: 2m", "for: soon")
    broken("severity", "rules", "severity: critical", "severity: high")
    broken("no summary", "rules", "summary:", "title:")
    broken("runbook", "rules", "#matrxdown", "#matrxup")
    broken("there twice", "rules", "alert: MatrxRestarts", "alert: MatrxDown")
    broken("nothing about MatrxDown", "guide", "# MatrxDown", "# Down")
    broken("no alert MatrxOther", "guide", "# MatrxDown", "# MatrxOther")
    broken("dashboard: ", "dashboard", "{", "[")
    broken("uid is missing", "dashboard", '"uid": "matrx-sandbox"', '"uid": ""')
    broken("id is there twice", "dashboard", '"id": 2', '"id": 1')
    broken("no description", "dashboard", '"description": "1: yes"', '"description": ""')
    broken("wider than", "dashboard", '"x": 18', '"x": 22')
    broken("lies over", "dashboard", '"x": 4', '"x": 3')
    broken("no variable other", "dashboard", "$instance", "$other")
    broken("no metric matrx_x", "dashboard", "matrx_uptime_seconds", "matrx_x")
    print("the self-test found everything that was broken")


def check_all():
    return check(SOURCE.read_text(), RULES.read_text(), DASHBOARD.read_text(), GUIDE.read_text())


if __name__ == "__main__":
    sys.exit(run(self_test, check_all, "alerts, dashboard and guide name what the program measures"))
