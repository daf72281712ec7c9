#!/usr/bin/python3
"""Checks .github/workflows without a network: form, pinned actions, least permissions, documented secrets.

  tools/check_workflows.py                the workflows
  tools/check_workflows.py --self-test    that each rule finds what it is for

The first line names Debian's Python on purpose: it is the one that has python3-yaml.
"""
import pathlib
import re
import subprocess
import sys

import yaml
from check_run import run

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".github/workflows"
DOCUMENT = ROOT / "deploy/README.md"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
SECRET = re.compile(r"\$\{\{[^}]*\bsecrets\.(\w+)[^}]*\}\}")
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
SCRIPT = re.compile(r"(?<![\w./-])((?:tools|deploy|tests)/[\w./-]+\.(?:sh|py))")
TARGET = re.compile(r"(?:^|[;&|(\n])\s*make ([a-z-]+)")
MAY = {("contents", "read"), ("id-token", "write")}
# What runs code of others: packages with install scripts, compilers, tests, whatever an image brings.
FOREIGN = re.compile(r"(?<![\w./-])(make|npm|npx|pip3?|pipx|uv|cargo|go|cmake|ninja|pytest|apt|apt-get|python3?|node|"
                     r"docker (?:build|buildx|run|exec|compose))(?![\w./-])")
EVENTS = {"push", "pull_request", "workflow_dispatch"}


class Strict(yaml.SafeLoader):
    """Refuses a key that is there twice; of these YAML would keep the last one."""


def mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"{key!r} is there twice")
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def shellcheck(script):
    plain = EXPRESSION.sub("expression", script)
    done = subprocess.run(["shellcheck", "-s", "bash", "-f", "gcc", "-"], input="#!/bin/bash\nset -e\n" + plain,
                          capture_output=True, text=True)
    return [line.split(": ", 2)[-1] for line in done.stdout.splitlines()]


def check_permissions(name, permissions, may):
    if not isinstance(permissions, dict):
        yield f"{name}: permissions are not a list of what is needed"
        return
    for what, how in permissions.items():
        if (what, how) not in may:
            yield f"{name}: it may {how} {what}"


def check_step(name, step, targets):
    uses, run = step.get("uses"), step.get("run")
    if not step.get("name"):
        yield f"{name}: a step has no name"
    if (uses is None) == (run is None):
        yield f"{name}: a step either runs something or uses an action"
    if uses is not None and not (uses.startswith("./") or PINNED.fullmatch(uses)):
        yield f"{name}: {uses} is not pinned to a commit"
    if run is None:
        return
    # What stands there before the shell sees it may come from a stranger's branch name.
    for inner in EXPRESSION.findall(run):
        yield f"{name}: {inner.strip()} inside of a script: hand it over in env"
    if re.search(r"(curl|wget)\b[^\n]*\|\s*(sudo\s+)?(ba)?sh\b", run):
        yield f"{name}: it runs what it fetches"
    for line in shellcheck(run):
        yield f"{name}: {line}"
    for path in SCRIPT.findall(run):
        if not (ROOT / path).is_file():
            yield f"{name}: there is no {path}"
    for target in TARGET.findall(run):
        if target not in targets:
            yield f"{name}: make has no {target}"


def check_trusted(name, job):
    """Of a job with secrets or an identity: every step could read them, so it runs what deploy/ has and no more."""
    if "container" in job and "--privileged" in str(job["container"]):
        yield f"{name}: it has secrets, and a privileged container"
    for number, step in enumerate(job["steps"], 1):
        run = step.get("run") or ""
        for path in SCRIPT.findall(run):
            if not path.startswith("deploy/"):
                yield f"{name}, step {number}: {path} beside secrets: build in a job without them"
        for tool in FOREIGN.findall(run):
            yield f"{name}, step {number}: {tool} runs code of others beside secrets: build in a job without them"


def check_job(name, job, targets):
    if not isinstance(job.get("timeout-minutes"), int):
        yield f"{name}: it has no timeout-minutes"
    if str(job.get("runs-on", "")).endswith("latest") or not job.get("runs-on"):
        yield f"{name}: runs-on names no version"
    container = job.get("container")
    image = container.get("image", "") if isinstance(container, dict) else container or "x:1"
    if ":" not in image or image.endswith(":latest") or "/" in image:
        yield f"{name}: the container's image has no version, or comes from a registry that is named here"
    if "permissions" in job:
        yield from check_permissions(name, job["permissions"], MAY)
    secrets = set(SECRET.findall(yaml.safe_dump(job, width=10**9)))
    if secrets and not job.get("environment"):
        yield f"{name}: it has secrets, and no environment whose rules protect them"
    around = [{key: value for key, value in job.items() if key != "steps"},
              [{key: value for key, value in step.items() if key != "env"} for step in job["steps"]]]
    if SECRET.search(yaml.safe_dump(around, width=10**9)):
        yield f"{name}: a secret is given to more than the step that needs it"
    identity = (job.get("permissions") or {}).get("id-token") == "write"
    if identity and not job.get("environment"):
        yield f"{name}: it may ask for an identity, and has no environment whose rules protect it"
    if secrets or identity:
        yield from check_trusted(name, job)
    for number, step in enumerate(job["steps"], 1):
        yield from check_step(f"{name}, step {number}", step, targets)


def check(files, document, targets):
    """One line for each thing that is wrong; files: name → text."""
    used = set()
    for name, text in sorted(files.items()):
        try:
            workflow = yaml.load(text, Strict)
        except yaml.YAMLError as error:
            yield f"{name}: {' '.join(str(error).split())}"
            continue
        # YAML 1.1 reads the word "on" as true.
        events = workflow.get(True, workflow.get("on"))
        events = {events} if isinstance(events, str) else set(events or ())
        if not events or events - EVENTS:
            yield f"{name}: it starts on {sorted(events - EVENTS) or 'nothing'}"
        if not workflow.get("name") or not workflow.get("jobs"):
            yield f"{name}: a name or jobs are missing"
        if "concurrency" not in workflow:
            yield f"{name}: several of it may run at once"
        yield from check_permissions(name, workflow.get("permissions"), {("contents", "read")})
        found = set(SECRET.findall(text))
        used |= found
        if found and "pull_request" in events:
            yield f"{name}: a pull request's code would see secrets"
        if SECRET.search(yaml.safe_dump(workflow.get("env", {}))):
            yield f"{name}: a secret is given to every job"
        for job_name, job in (workflow.get("jobs") or {}).items():
            yield from check_job(f"{name}, {job_name}", job, targets)
    told = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", document, re.MULTILINE))
    for secret in sorted(used - told):
        yield f"{DOCUMENT.name}: the secret {secret} is not documented"
    for secret in sorted(told - used):
        yield f"{DOCUMENT.name}: no workflow uses the secret {secret}"


def make_targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def read():
    return {path.name: path.read_text() for path in FOLDER.iterdir() if path.suffix in (".yml", ".yaml")}


def self_test():
    good, document, targets = read(), DOCUMENT.read_text(), make_targets()
    assert {"ci.yml", "deploy.yml"} <= set(good)
    assert not list(check(good, document, targets)), list(check(good, document, targets))

    def broken(words, name, old, new, text=document):
        assert old in good[name], (name, old)
        found = list(check({**good, name: good[name].replace(old, new, 1)}, text, targets))
        assert any(words in line for line in found), (words, found)

    step = "      - name: Every check and every test\n        run: make ci\n"
    broken("ci.yml: ", "ci.yml", "jobs:", "jobs: [")
    broken("there twice", "ci.yml", "    timeout-minutes: 90\n", "    timeout-minutes: 90\n    timeout-minutes: 9\n")
    broken("it starts on", "ci.yml", "  pull_request:", "  pull_request_target:")
    broken("several of it", "ci.yml", "concurrency:", "other:")
    broken("not a list", "ci.yml", "permissions:\n  contents: read\n", "permissions: write-all\n")
    broken("not a list", "ci.yml", "permissions:\n  contents: read\n", "")
    broken("it may write contents", "ci.yml", "contents: read", "contents: write")
    broken("it may write packages", "deploy.yml", "id-token: write", "packages: write")
    broken("no timeout-minutes", "ci.yml", "    timeout-minutes: 90\n", "")
    broken("names no version", "ci.yml", "ubuntu-24.04", "ubuntu-latest")
    broken("has no version", "ci.yml", "image: debian:12", "image: debian")
    broken("has no version", "ci.yml", "image: debian:12", "image: registry.example/debian:12")
    for uses in ("actions/checkout@v4", "actions/checkout@main", "other/thing", "docker://x"):
        broken("not pinned", "ci.yml", step, f"      - name: X\n        uses: {uses}\n")
    pinned = f"      - name: X\n        uses: actions/checkout@{'a' * 40}\n"
    assert not list(check({**good, "ci.yml": good["ci.yml"].replace(step, pinned)}, document, targets))
    broken("either runs", "ci.yml", "        run: make ci\n", "        if: always()\n")
    broken("has no name", "ci.yml", step, "      - run: make ci\n")
    broken("hand it over in env", "ci.yml", "make ci", "echo ${{ github.head_ref }}")
    broken("runs what it fetches", "ci.yml", "make ci", "curl -fsS https://x | sudo bash")
    broken("Double quote", "ci.yml", "make ci", "rm $HOME")
    broken("there is no tools/", "ci.yml", "make ci", "tools/nothing.sh")
    broken("make has no", "ci.yml", "make ci", "make coffee")
    broken("would see secrets", "ci.yml", step, step + "        env:\n          X: ${{ secrets.DEPLOY_HOST }}\n")
    broken("no environment", "deploy.yml", "    environment: production\n", "")
    broken("no environment", "deploy.yml", "      contents: read\n    container",
           "      id-token: write\n    container")
    push = "          docker load -q -i release/image.tar.gz\n"
    for words in ("make test-unit", "npm ci", "apt-get -q update", "docker run x"):
        broken("code of others beside secrets", "deploy.yml", push, f"          {words}\n")
    broken("tools/setup.sh beside secrets", "deploy.yml", push, "          tools/setup.sh --tests\n")
    broken("a privileged container", "deploy.yml", "    environment: production\n",
           "    environment: production\n    container:\n      image: debian:12\n      options: --privileged\n")
    # As it was once: everything in one job, the key written before others' code ran.
    broken("code of others beside secrets", "deploy.yml", "      - name: Build and test\n        run: |\n",
           "      - name: Build and test\n        env:\n          X: ${{ secrets.DEPLOY_SSH_KEY }}\n        run: |\n")
    broken("more than the step", "deploy.yml", "      ACTION:", "      Y: ${{ secrets.DEPLOY_HOST }}\n      ACTION:")
    broken("every job", "deploy.yml", "env:\n", "env:\n  Y: ${{ secrets.DEPLOY_HOST }}\n")
    broken("is not documented", "deploy.yml", "secrets.AWS_REGION", "secrets.OTHER")
    broken("no workflow uses", "deploy.yml", "secrets.AWS_REGION", "secrets.AWS_ROLE_ARN")
    print("the self-test found everything that was broken")


def check_all():
    return check(read(), DOCUMENT.read_text(), make_targets())


if __name__ == "__main__":
    sys.exit(run(self_test, check_all, "the workflows are as they must be"))
