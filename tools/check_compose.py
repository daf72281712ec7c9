#!/usr/bin/python3
"""Checks deploy/compose without an engine and without images: what must be there, what must not.

  tools/check_compose.py                        the compose file and the examples beside it
  tools/check_compose.py --environment FILE     a filled production.env
  tools/check_compose.py --self-test            that each rule finds what it is for

The first line names Debian's Python on purpose: it is the one that has python3-yaml.
"""
import copy
import pathlib
import re
import sys

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deploy/compose"
SOCKET = "/var/run/docker.sock"
ORCHESTRATORS = ("orchestrator", "production")
LOCAL = {"MATRX_S3_BUCKET", "MATRX_S3_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID",
         "AWS_SECRET_ACCESS_KEY", "MATRX_API_KEY", "MATRX_SANDBOX_STORE"}
COMMON = {"MATRX_DATA_DIR", "MATRX_SANDBOX_IMAGE"}
CAPABILITIES = {"SYS_ADMIN", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "SETGID", "SETUID"}
PRODUCTION = ("MATRX_API_KEY", "MATRX_DATABASE_URL", "MATRX_S3_BUCKET", "MATRX_S3_REGION")
SECRET_NAME = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|DATABASE_URL")
# What LocalStack documents for everybody, and nothing at all.
HARMLESS = {"test", ""}
# "NAME:" in an environment: handed on as it is where it is set.
HANDED_ON = re.compile(r"^ +([A-Z][A-Z0-9_]*):$", re.MULTILINE)
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::-([^}]*))?\}")


# SOURCE:TARGET:OPTION, where a variable's default also has a colon.
SHORT = re.compile(r"((?:[^:$]|\$\{[^}]*\})+):((?:[^:$]|\$\{[^}]*\})+)(?::([a-z]+))?")


def mount(written):
    """A mount in the long form; None where the short form is none that we know."""
    if isinstance(written, dict):
        return written
    found = SHORT.fullmatch(written)
    return found and {"source": found[1], "target": found[2], "read_only": found[3] == "ro",
                      "bind": {"propagation": found[3]}}


def mounts(service, target):
    return [m for m in map(mount, service.get("volumes", [])) if m and m["target"] == target]


def check_service(name, service):
    if not VARIABLE.fullmatch(str(service.get("image", ""))):
        yield f"{name}: the image is not a variable with a default"
    if "build" in service or service.get("privileged"):
        yield f"{name}: it builds, or is privileged"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield f"{name}: no-new-privileges is missing"
    health = service.get("healthcheck", {})
    if not health.get("test") or not {"interval", "timeout", "retries"} <= set(health):
        yield f"{name}: the health check is missing or has no limits"
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"{name}: port {port} is open to more than loopback"
    if "network_mode" in service or "pid" in service:
        yield f"{name}: it shares a namespace with the host"
    if name not in ORCHESTRATORS and mounts(service, SOCKET):
        yield f"{name}: it has the Docker socket"
    if not all(map(mount, service.get("volumes", []))):
        yield f"{name}: a mount that the other checks cannot read"


def check_orchestrator(name, service):
    socket = mounts(service, SOCKET)
    if len(socket) != 1 or socket[0].get("read_only") is not True:
        yield f"{name}: the Docker socket is not mounted read-only"
    environment = service.get("environment", {})
    data = environment.get("MATRX_DATA_DIR", "")
    folder = mounts(service, data)
    if len(folder) != 1 or folder[0]["source"] != data:
        yield f"{name}: MATRX_DATA_DIR has not the same path on the host"
    elif folder[0].get("bind", {}).get("propagation") != "rshared":
        yield f"{name}: mounts made in MATRX_DATA_DIR do not appear on the host"
    if service.get("cap_drop") != ["ALL"] or "/dev/fuse" not in service.get("devices", []):
        yield f"{name}: capabilities are not dropped first, or /dev/fuse is missing"
    for right in sorted(set(service.get("cap_add", [])) - CAPABILITIES):
        yield f"{name}: nothing that it does needs {right}"
    if service.get("oom_score_adj", 0) >= 0 or service.get("ulimits", {}).get("core") != 0:
        yield f"{name}: it is ended before sandboxes where memory ends, or a dump would hold its keys"
    for missing in sorted(COMMON - set(environment)):
        yield f"{name}: {missing} is missing"


def check(compose):
    """One line for each thing that is wrong."""
    services = compose.get("services", {})
    if set(services) != {"orchestrator", "s3", "production"}:
        yield "the services are not orchestrator, s3 and production"
        return
    for name, service in services.items():
        yield from check_service(name, service)
        for key, value in service.get("environment", {}).items():
            literal = VARIABLE.sub(lambda found: found[2] or "", "" if value is None else str(value))
            if SECRET_NAME.search(key) and literal not in HARMLESS:
                yield f"{name}: {key} is a literal"
    for name in ORCHESTRATORS:
        yield from check_orchestrator(name, services[name])
    local, production = services["orchestrator"], services["production"]
    if local["environment"].get("MATRX_API_KEY", "") is not None:
        yield "orchestrator: MATRX_API_KEY is set where nobody has set it, which stops the start"
    if "profiles" in local or "profiles" in services["s3"]:
        yield "orchestrator and s3 do not start by default"
    if (production.get("profiles") != ["production"]
            or production.get("env_file") != "production.env"):
        yield "production: its profile or its env_file is missing"
    if local.get("depends_on", {}).get("s3", {}).get("condition") != "service_healthy":
        yield "orchestrator: it does not wait for s3"
    for missing in sorted(LOCAL - set(local["environment"])):
        yield f"orchestrator: {missing} is missing"
    if local["environment"].get("MATRX_S3_BUCKET") != services["s3"]["environment"].get("BUCKET"):
        yield "s3: it creates another bucket than the orchestrator uses"
    for name in PRODUCTION:
        if name in production["environment"]:
            yield f"production: {name} would hide that of production.env"
    if production["environment"].get("MATRX_SANDBOX_STORE") != "postgres":
        yield "production: the store is not postgres"
    if production["environment"].get("MATRX_FIREWALL") != "${MATRX_FIREWALL:-required}":
        yield "production: it makes sandboxes without a firewall"


def variables(text):
    """Names and values of an environment file, those in comments too where they are settings."""
    found = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    return dict(found)


def check_examples(text, example, production_example):
    used = {**dict.fromkeys(HANDED_ON.findall(text), ""), **dict(VARIABLE.findall(text))}
    told = variables(example)
    for name in sorted(set(used) ^ set(told)):
        yield f".env.example and docker-compose.yml do not agree on {name}"
    for name, default in used.items():
        if told.get(name, default) != default:
            yield f".env.example tells another default of {name}"
    active = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", production_example, re.MULTILINE))
    if tuple(active) != PRODUCTION or any(active.values()):
        yield "production.env.example: not exactly the required variables, empty"


def check_environment(text):
    active = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    for name in PRODUCTION:
        if not active.get(name, "").strip(" ,"):
            yield f"{name} is empty"
    if "MATRX_FIREWALL" in active:
        yield "MATRX_FIREWALL belongs into .env: docker-compose.yml hides it here"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if active.get(name) == "test":
            yield f"{name} is LocalStack's dummy"


def everything():
    text = (FOLDER / "docker-compose.yml").read_text()
    yield from check(yaml.safe_load(text))
    yield from check_examples(text, (FOLDER / ".env.example").read_text(),
                              (FOLDER / "production.env.example").read_text())


def self_test():
    good = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())
    assert not list(everything()), list(everything())

    def broken(words, change):
        document = copy.deepcopy(good)
        change(document["services"])
        found = list(check(document))
        assert any(words in line for line in found), (words, found)

    broken("the services are not", lambda s: s.pop("s3"))
    broken("image is not a variable", lambda s: s["s3"].update(image="localstack"))
    broken("is privileged", lambda s: s["s3"].update(privileged=True))
    broken("no-new-privileges", lambda s: s["production"].pop("security_opt"))
    broken("health check", lambda s: s["s3"].pop("healthcheck"))
    broken("more than loopback", lambda s: s["orchestrator"].update(ports=["8000:8000"]))
    broken("shares a namespace", lambda s: s["production"].update(network_mode="host"))
    broken("s3: it has the Docker socket",
           lambda s: s["s3"]["volumes"].append({"target": SOCKET, "source": SOCKET}))
    broken("cannot read", lambda s: s["s3"]["volumes"].append("/host"))
    broken("s3: it has the Docker socket", lambda s: s["s3"]["volumes"].append(f"{SOCKET}:{SOCKET}:ro"))
    broken("not mounted read-only",
           lambda s: s["production"]["volumes"].__setitem__(0, f"{SOCKET}:{SOCKET}:rw"))
    broken("not mounted read-only", lambda s: mounts(s["production"], SOCKET)[0].pop("read_only"))
    broken("not the same path", lambda s: s["orchestrator"]["volumes"].__setitem__(1, "/x:/y:rshared"))
    broken("do not appear on the host", lambda s: s["orchestrator"]["volumes"].__setitem__(
               1, s["orchestrator"]["volumes"][1].removesuffix(":rshared")))
    broken("/dev/fuse", lambda s: s["production"].pop("devices"))
    broken("MATRX_SANDBOX_IMAGE is missing",
           lambda s: s["production"]["environment"].pop("MATRX_SANDBOX_IMAGE"))
    broken("is a literal",
           lambda s: s["orchestrator"]["environment"].update(AWS_SECRET_ACCESS_KEY="abc"))
    broken("is a literal",
           lambda s: s["orchestrator"]["environment"].update(MATRX_API_KEY="${MATRX_API_KEY:-x}"))
    broken("which stops the start",
           lambda s: s["orchestrator"]["environment"].update(MATRX_API_KEY="${MATRX_API_KEY:-}"))
    broken("start by default", lambda s: s["s3"].update(profiles=["x"]))
    broken("env_file", lambda s: s["production"].pop("env_file"))
    broken("does not wait", lambda s: s["orchestrator"].pop("depends_on"))
    broken("AWS_ENDPOINT_URL_S3 is missing",
           lambda s: s["orchestrator"]["environment"].pop("AWS_ENDPOINT_URL_S3"))
    broken("another bucket", lambda s: s["s3"]["environment"].update(BUCKET="x"))
    broken("would hide", lambda s: s["production"]["environment"].update(MATRX_API_KEY=""))
    broken("without a firewall", lambda s: s["production"]["environment"].pop("MATRX_FIREWALL"))
    broken("without a firewall", lambda s: s["production"]["environment"].update(MATRX_FIREWALL="off"))
    broken("nothing that it does needs MKNOD", lambda s: s["production"]["cap_add"].append("MKNOD"))
    broken("where memory ends", lambda s: s["orchestrator"].pop("oom_score_adj"))
    broken("where memory ends", lambda s: s["production"].pop("ulimits"))
    broken("not postgres", lambda s: s["production"]["environment"].pop("MATRX_SANDBOX_STORE"))

    required = "".join(f"{name}=\n" for name in PRODUCTION)
    assert not list(check_examples("${A:-1}", "#A=1\n", required))
    assert len(list(check_examples("${A:-1}", "#A=2\n", required))) == 1
    assert len(list(check_examples("${A:-1} ${B:-}", "#A=1\n", required))) == 1
    assert not list(check_examples("  x:\n      A:\n", "#A=\n", required))
    assert len(list(check_examples("", "", "MATRX_API_KEY=x\n"))) == 1
    assert len(list(check_environment(required))) == len(PRODUCTION)
    filled = "".join(f"{name}=x\n" for name in PRODUCTION)
    assert not list(check_environment(filled))
    assert len(list(check_environment(filled + "AWS_ACCESS_KEY_ID=test\n"))) == 1
    print("the self-test found everything that was broken")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) == 2 and arguments[0] == "--environment":
        name, found = arguments[1], list(check_environment(pathlib.Path(arguments[1]).read_text()))
    elif not arguments:
        name, found = "deploy/compose", list(everything())
    else:
        sys.exit("matrx: it takes --self-test, --environment FILE or nothing.")
    for line in found:
        print(f"{name}: {line}")
    if not found:
        print(f"{name} is as it must be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
