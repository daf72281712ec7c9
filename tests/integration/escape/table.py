#!/usr/bin/env python3
"""What each try of inside.py is expected to come to, in each profile. Run with --write it writes docs/isolation.md."""
import pathlib
import sys

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/isolation.md"

# Profile: what a sandbox of it is, and as whom commands run in it.
PROFILES = {
    "standard": "the default, as the user `agent`",
    "root": "the default, as root inside",
    "strict": "`MATRX_ISOLATION=strict`, as its only user",
    "allowlist": "the default with `egress: allowlist` and a list of one name, as root inside",
    "none": "the default with `egress: none`, as root inside",
}
ALL = frozenset(PROFILES)
ROOTS = frozenset({"root", "allowlist", "none"})
# Where commands run as whom the agent and the first process run.
AGENTS_EQUALS = ROOTS | {"strict"}
NETWORKED = ALL - {"allowlist", "none"}

# Group: {try: what it tries}. All are refused everywhere, but for those of OPEN.
GROUPS = {
    "Devices": {
        "mknod_disk": "make and open a node of the host's disk",
        "mknod_memory": "make and open a node of /dev/mem",
        "mknod_any": "make any device node",
        "device_kmsg": "read the kernel's log",
        "device_disks": "open a disk that is there",
        "device_fuse": "open /dev/fuse",
        "device_tun": "open /dev/net/tun",
        "device_kvm": "open /dev/kvm",
    },
    "Mounts and files": {
        "mount_tmpfs": "mount a tmpfs",
        "mount_proc": "mount a second /proc, without masks",
        "mount_cgroup": "mount a cgroup hierarchy (release_agent)",
        "mount_bind": "bind a folder to another place",
        "remount_writable": "make /proc/sys writable",
        "new_mount_api": "fsopen",
        "pivot_root": "pivot_root",
        "chroot": "chroot",
        "open_by_handle": "open the host's files by inode number",
        "agent_binary_writable": "change the agent's file, which all sandboxes share",
        "write_system": "write below /usr",
        "host_paths": "find Docker's socket, Docker's or our folders",
        "other_homes": "find another sandbox's folders beside its own binds",
        "host_path_by_link": "reach a folder of the host by a link in the home",
    },
    "Switches of the kernel": {
        "write_core_pattern": "have the host run a program at a crash",
        "write_modprobe": "name the host's modprobe",
        "write_sysctl_net": "change a network setting",
        "write_sysrq": "press a magic SysRq key",
        "write_uevent_helper": "have the host run a program at an event",
        "write_sys": "change a setting of /sys",
        "write_binfmt": "register a binary format",
        "write_own_oom_score": "be spared when memory is short",
        "read_kcore": "read the kernel's memory",
        "read_kernel_keys": "list keys of the kernel",
        "read_kernel_addresses": "learn addresses of the kernel",
        "read_timers": "list timers of all processes",
        "cgroup_release_agent": "have the host run a program at a group's end",
        "cgroup_own_limit": "lift its own limit of processes",
        "cgroup_new": "make a group of its own",
        "cgroup_devices": "allow itself all devices",
    },
    "System calls": {
        "unshare_user": "unshare a user namespace",
        "unshare_mounts": "unshare a mount namespace",
        "unshare_network": "unshare a network namespace",
        "clone_user": "a user and a process namespace together",
        "enter_namespace": "setns to the first process' mounts",
        "load_module": "init_module",
        "load_kernel": "kexec_load",
        "load_bpf": "bpf",
        "perf_events": "perf_event_open over all processes",
        "keyring": "add_key",
        "keyring_session": "keyctl",
        "reboot": "reboot",
        "set_clock": "settimeofday",
        "set_host_name": "sethostname",
        "swap": "swapon",
        "user_faults": "userfaultfd",
        "realtime": "real-time priority",
        "unlimited_files": "raise the limit of open files",
    },
    "Processes and secrets": {
        "see_host_processes": "see processes of the host",
        "secrets_in_environments": "find a key or credential in any environment or argument",
        "become_root": "sudo",
        "kill_first_process": "signal the first process",
        "trace_first_process": "ptrace the first process",
        "read_first_memory": "read the first process' memory",
        "read_first_environment": "read the first process' environment",
        "agent_socket": "connect to the agent's socket",
        "abstract_sockets_of_host": "connect to an abstract socket of the host",
    },
    "Network": {
        "raw_packets": "a packet socket",
        "raw_ip": "a raw socket",
        "packet_filter": "change an interface",
        "connect_metadata": "169.254.169.254",
        "connect_metadata_range": "another link-local address",
        "connect_private_range": "a machine at 10.x.x.x",
        "connect_shared_range": "a machine at 100.64.x.x",
        "connect_host_gateway": "a service of the host, at the bridge's address",
        "connect_host_address": "the same, at the host's own address",
        "connect_engine_bridge": "the same, at the address of Docker's other bridge",
        "connect_link_local6": "the same, at an IPv6 link-local address",
        "connect_orchestrator": "the orchestrator's port",
        "connect_sibling": "a server in another sandbox",
        "connect_public": "a machine of the internet",
        "dns_to_anywhere": "a name server of its choice",
    },
}

_HOSTILE_AGENT = ("it is whom the agent runs as; the agent holds no secret, speaks for this sandbox only, and nothing "
                  "it says is trusted")
# Try: (the profiles in which it works on purpose, why).
OPEN = {
    "become_root": (frozenset({"standard"}) | ROOTS, "for package managers; root here has ten capabilities of 41"),
    "write_system": (ROOTS, "it is the container's own layer, gone with it"),
    "kill_first_process": (AGENTS_EQUALS, "ends its own sandbox"),
    "trace_first_process": (AGENTS_EQUALS, _HOSTILE_AGENT),
    "read_first_memory": (AGENTS_EQUALS, _HOSTILE_AGENT),
    "read_first_environment": (AGENTS_EQUALS, "SANDBOX_ID, USER_ID and paths, which every command has as well"),
    "agent_socket": (AGENTS_EQUALS, _HOSTILE_AGENT),
    "connect_public": (NETWORKED, "that is what `egress: open` means"),
    "dns_to_anywhere": (NETWORKED, "that is what `egress: open` means"),
}

# Open on purpose, and refused all the same where the host's kernel says so (Yama's ptrace_scope).
HOST_DECIDES = {"trace_first_process", "read_first_memory"}

# Of /proc/self/status. Capabilities: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP,
# NET_BIND_SERVICE, AUDIT_WRITE.
_FEW, _NO = "00000000200005fb", "0000000000000000"
STATUS = {
    "standard": {"CapEff": _NO, "CapPrm": _NO, "CapBnd": _FEW, "NoNewPrivs": "0"},
    "root": {"CapEff": _FEW, "CapPrm": _FEW, "CapBnd": _FEW, "NoNewPrivs": "0"},
    "allowlist": {"CapEff": _FEW, "CapPrm": _FEW, "CapBnd": _FEW, "NoNewPrivs": "0"},
    "none": {"CapEff": _FEW, "CapPrm": _FEW, "CapBnd": _FEW, "NoNewPrivs": "0"},
    "strict": {"CapEff": _NO, "CapPrm": _NO, "CapBnd": _NO, "NoNewPrivs": "1"},
}
for one in STATUS.values():
    one.update({"CapInh": _NO, "CapAmb": _NO, "Seccomp": "2"})


# Tables of the kernel without a namespace: what may be taken, and what bounds it.
SHARED = {
    "instances and watches of inotify, of root or of user 1000":
        "`fs.inotify.max_user_*`, raised to 8,192 and 1,048,576",
    "terminals": "`kernel.pty.max`, raised to 32,768; 20,000 open files of a process",
    "the host's table of connections":
        "4,096 of a sandbox at once, 500 new ones a second; `nf_conntrack_max`, raised to 1,048,576. Not where the "
        "rules are put up by hand",
    "requests of asynchronous I/O": "`fs.aio-max-nr`, raised to 1,048,576",
    "full-sized pipes, of user 1000":
        "`fs.pipe-user-pages-soft`, raised to 131,072 pages; what lies in them counts as the sandbox's memory",
    "queued signals and timers, of root or of user 1000":
        "`RLIMIT_SIGPENDING` of the host; plain signals arrive all the same",
}


def names():
    return [name for group in GROUPS.values() for name in group]


def expected(name, profile):
    return "open" if profile in OPEN.get(name, ((), ""))[0] else "refused"


def unexpected(profile, answers):
    """The tries that came to something else, and those that are not in the table: {name: answer}."""
    found = {}
    for name in names():
        answer = answers.get(name, "never tried")
        if answer.startswith("refused") and name in HOST_DECIDES:
            continue
        if answer.split()[0] != expected(name, profile):
            found[name] = answer
    for field, value in STATUS[profile].items():
        if answers.get("status_" + field) != value:
            found["status_" + field] = answers.get("status_" + field)
    known = {*names(), *("status_" + field for field in STATUS[profile])}
    return found | {name: answer for name, answer in answers.items() if name not in known}


def markdown():
    lines = ["# What a sandbox can try", "",
             "Made by `tests/integration/escape/table.py --write`; `tests/integration/test_escape.py` tries each of "
             "these and fails on anything unexpected. Why it is so: [SECURITY.md](../SECURITY.md).", "",
             "| profile | what it is |", "|---|---|"]
    lines += [f"| {name} | {what} |" for name, what in PROFILES.items()]
    for group, tries in GROUPS.items():
        lines += ["", f"### {group}", "", "| name | tries to | " + " | ".join(PROFILES) + " |",
                  "|---|---|" + "---|" * len(PROFILES)]
        for name, what in tries.items():
            cells = " | ".join("**open**" if expected(name, p) == "open" else "refused" for p in PROFILES)
            lines.append(f"| `{name}` | {what} | {cells} |")
    lines += ["", "### Open on purpose", "", "| name | why |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, (_, why) in OPEN.items()]
    lines += ["", "### Shared with the host and all sandboxes", "",
              "Not tried here, since whoever tries takes it from others. Why, and what stands against it: "
              "[SECURITY.md](../SECURITY.md#what-all-sandboxes-share).", "",
              "| what one sandbox may take from all | state | what bounds it |", "|---|---|---|"]
    lines += [f"| {what} | **open** | {bound} |" for what, bound in SHARED.items()]
    lines += ["", "### Rights of a process", "", "| field of `/proc/self/status` | " + " | ".join(PROFILES) + " |",
              "|---|" + "---|" * len(PROFILES)]
    for field in STATUS["standard"]:
        lines.append(f"| {field} | " + " | ".join(STATUS[p][field].lstrip("0") or "0" for p in PROFILES) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(markdown())
    else:
        print(markdown(), end="")
