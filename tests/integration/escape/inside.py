"""Runs inside a container: tries to get out of it, and prints what came of each try as JSON.

Python's standard library only: the image that it runs in is not ours to change. Each try has a process of its own, so
that one that works changes nothing for the next. What a try answers:
  "open"           it worked
  "refused NAME"   the kernel refused it with that error, or nobody answered (ETIMEDOUT)
  "broken WORDS"   the try itself is wrong, which a test must never take for a refusal
"""
import ctypes
import errno
import glob
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID = 0x20000, 0x10000000, 0x40000000, 0x20000000
# x86_64 first, then what arm64 and all newer calls share.
NUMBERS = {
    "ptrace": (101, 117), "pivot_root": (155, 41), "init_module": (175, 105), "kexec_load": (246, 104),
    "add_key": (248, 217), "keyctl": (250, 219), "unshare": (272, 97), "setns": (308, 268),
    "perf_event_open": (298, 241), "bpf": (321, 280), "mount": (165, 40), "swapon": (167, 224),
    "reboot": (169, 142), "settimeofday": (164, 170), "open_by_handle_at": (304, 265), "chroot": (161, 51),
    "userfaultfd": (323, 282), "fsopen": (430, 430), "process_vm_readv": (310, 270), "sethostname": (170, 161),
    "io_uring_setup": (425, 425),
}
CONNECT_SECONDS = 2
TRY_SECONDS = 8
TRIES = {}


class Refused(Exception):
    """Without an error of the kernel: what was looked for is not there."""


def attempt(function):
    TRIES[function.__name__] = function
    return function


def call(name, *arguments):
    number = NUMBERS[name][0 if os.uname().machine == "x86_64" else 1]
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    answer = LIBC.syscall(ctypes.c_long(number), *wide)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def write(path, text="1"):
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def mount(source, target, kind, flags=0, data=b""):
    call("mount", source, target, kind, flags, data)


def connect(address, port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as line:
        line.settimeout(CONNECT_SECONDS)
        line.connect((address, port))


def status(name, pid="self"):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(name + ":"):
            return line.split()[1]
    raise Refused(name)


# --- Devices ---
def device_node(kind, major, minor, flags):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        node = folder + "/node"
        os.mknod(node, kind | 0o600, os.makedev(major, minor))
        os.close(os.open(node, flags))


@attempt
def mknod_disk():
    device_node(stat.S_IFBLK, 254, 0, os.O_RDONLY)


@attempt
def mknod_memory():
    device_node(stat.S_IFCHR, 1, 1, os.O_RDONLY)


@attempt
def mknod_any():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.mknod(folder + "/node", stat.S_IFCHR | 0o600, os.makedev(1, 3))


@attempt
def device_kmsg():
    os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))


@attempt
def device_disks():
    found = glob.glob("/dev/[svx]d[a-z]*") + glob.glob("/dev/nvme*") + glob.glob("/dev/loop*") + glob.glob("/dev/dm-*")
    if not found:
        raise Refused("no disk is there")
    os.close(os.open(found[0], os.O_RDONLY))


@attempt
def device_fuse():
    os.close(os.open("/dev/fuse", os.O_RDWR))


@attempt
def device_tun():
    os.close(os.open("/dev/net/tun", os.O_RDWR))


@attempt
def device_kvm():
    os.close(os.open("/dev/kvm", os.O_RDWR))


# --- Mounts and file systems ---
@attempt
def mount_tmpfs():
    mount(b"none", b"/mnt", b"tmpfs")


@attempt
def mount_proc():
    mount(b"none", b"/mnt", b"proc")


@attempt
def mount_cgroup():
    mount(b"none", b"/mnt", b"cgroup", 0, b"memory")


@attempt
def mount_bind():
    mount(b"/etc", b"/mnt", None, 4096)


@attempt
def remount_writable():
    mount(None, b"/proc/sys", None, 32 | 4096)  # MS_REMOUNT | MS_BIND


@attempt
def agent_binary_writable():
    # Not by writing: that fails for any program that runs. It is one file for all sandboxes.
    os.utime("/opt/matrx/matrx-agent")


@attempt
def new_mount_api():
    os.close(call("fsopen", b"tmpfs", 0))


@attempt
def pivot_root():
    call("pivot_root", b"/", b"/tmp")


@attempt
def chroot():
    call("chroot", b"/tmp")


@attempt
def open_by_handle():
    # "Shocker": files of the host by their inode number, past every mount.
    root = os.open("/", os.O_RDONLY)
    handle = struct.pack("=IiQ", 8, 1, 2)
    os.close(call("open_by_handle_at", root, ctypes.create_string_buffer(handle), os.O_RDONLY))


@attempt
def write_system():
    with tempfile.NamedTemporaryFile(dir="/usr/local/lib"):
        pass


@attempt
def host_paths():
    for path in ("/var/lib/docker", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
                 "/var/lib/matrx", "/etc/matrx-sandbox", "/host", "/rootfs"):
        if os.path.lexists(path):
            return
    raise Refused("none is there")


@attempt
def other_homes():
    # Home, large files and run folder are binds of the host: nothing beside or above them may show.
    for path in ("/run/matrx", os.environ.get("HOT_PATH", "/home/agent")):
        for above in (path + "/..", path + "/../.."):
            if any(name.startswith("sbx-") for name in os.listdir(above)):
                return
    raise Refused("none is there")


@attempt
def host_path_by_link():
    # A link in a bind is followed in here, not on the host.
    home = os.environ.get("HOT_PATH", "/home/agent")
    link = home + "/.escape-link"
    try:
        os.symlink("/var/lib/docker", link)
        os.listdir(link)
    finally:
        os.unlink(link)


# --- The kernel's switches ---
@attempt
def write_core_pattern():
    write("/proc/sys/kernel/core_pattern", "|/tmp/x")


@attempt
def write_modprobe():
    write("/proc/sys/kernel/modprobe", "/tmp/x")


@attempt
def write_sysctl_net():
    write("/proc/sys/net/ipv4/ip_forward", "1")


@attempt
def write_sysrq():
    write("/proc/sysrq-trigger", "h")


@attempt
def write_uevent_helper():
    write("/sys/kernel/uevent_helper", "/tmp/x")


@attempt
def write_sys():
    write("/sys/kernel/mm/transparent_hugepage/enabled", "never")


@attempt
def write_binfmt():
    write("/proc/sys/fs/binfmt_misc/register", ":x:M::x::/tmp/x:")


@attempt
def write_own_oom_score():
    write("/proc/self/oom_score_adj", "-1000")


@attempt
def read_kcore():
    if not open("/proc/kcore", "rb").read(1):
        raise Refused("empty")


@attempt
def read_kernel_keys():
    if not open("/proc/keys").read():
        raise Refused("empty")


@attempt
def read_kernel_addresses():
    if not any(int(line.split()[0], 16) for line in open("/proc/kallsyms")):
        raise Refused("all are zero")


@attempt
def read_timers():
    if not open("/proc/timer_list").read(1):
        raise Refused("empty")


@attempt
def cgroup_release_agent():
    found = glob.glob("/sys/fs/cgroup/*/release_agent") + glob.glob("/sys/fs/cgroup/release_agent")
    if not found:
        raise Refused("none is there")
    write(found[0], "/tmp/x")


@attempt
def cgroup_own_limit():
    for path, text in (("/sys/fs/cgroup/pids/pids.max", "max"), ("/sys/fs/cgroup/pids.max", "max")):
        if os.path.exists(path):
            return write(path, text)
    raise Refused("none is there")


@attempt
def cgroup_new():
    for above in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        if os.path.isdir(above):
            return os.mkdir(above + "/escape")
    raise Refused("none is there")


@attempt
def cgroup_devices():
    write("/sys/fs/cgroup/devices/devices.allow", "a")


# --- System calls ---
@attempt
def unshare_user():
    call("unshare", CLONE_NEWUSER)


@attempt
def unshare_mounts():
    call("unshare", CLONE_NEWNS)


@attempt
def unshare_network():
    call("unshare", CLONE_NEWNET)


@attempt
def clone_user():
    if LIBC.unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


@attempt
def enter_namespace():
    space = os.open("/proc/1/ns/mnt", os.O_RDONLY)
    call("setns", space, CLONE_NEWNS)


@attempt
def load_module():
    call("init_module", b"x", 1, b"")


@attempt
def load_kernel():
    call("kexec_load", 0, 0, None, 0)


@attempt
def load_bpf():
    attributes = ctypes.create_string_buffer(struct.pack("=IIIII", 2, 4, 4, 1, 0) + bytes(100))
    os.close(call("bpf", 0, attributes, 72))  # an array of one number


@attempt
def perf_events():
    attributes = ctypes.create_string_buffer(struct.pack("=IIQ", 1, 112, 0) + bytes(96))
    os.close(call("perf_event_open", attributes, -1, 0, -1, 0))  # all processes of a processor


@attempt
def keyring():
    call("add_key", b"user", b"escape", b"x", 1, -3)


@attempt
def keyring_session():
    call("keyctl", 0, -3, 0)


@attempt
def reboot():
    call("reboot", 0xFEE1DEAD, 672274793, 0, None)  # asks for a harmless switch: Ctrl-Alt-Del off


@attempt
def set_clock():
    call("settimeofday", ctypes.create_string_buffer(struct.pack("=qq", int(time.time()), 0)), None)


@attempt
def set_host_name():
    call("sethostname", b"escape", 6)


@attempt
def swap():
    call("swapon", b"/tmp/none", 0)


@attempt
def user_faults():
    os.close(call("userfaultfd", 0))


# --- Processes ---
@attempt
def trace_first_process():
    # PTRACE_SEIZE: the same right as an attach needs, and nothing is stopped. It ends with this try.
    call("ptrace", 0x4206, 1, None, None)


@attempt
def read_first_memory():
    with open("/proc/1/mem", "rb") as file:
        for line in open("/proc/1/maps"):
            begin = line.split("-")[0]
            file.seek(int(begin, 16))
            file.read(16)
            return


@attempt
def read_first_environment():
    open("/proc/1/environ").read()


@attempt
def secrets_in_environments():
    # A key, a token or a credential in what any process was given.
    words = ("MATRX_API", "AWS_", "SECRET", "TOKEN", "PASSWORD", "DATABASE_URL", "test-key")
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            text = open(path, errors="replace").read()
        except OSError:
            continue
        if "escape-inside" not in text and any(word in text for word in words):
            return
    raise Refused("none is there")


@attempt
def see_host_processes():
    if int(os.readlink("/proc/self")) > 30000 or any(
            "dockerd" in open(p, errors="replace").read() for p in glob.glob("/proc/[0-9]*/cmdline")):
        return
    raise Refused("none is there")


@attempt
def kill_first_process():
    # Signal 0 asks for the permission alone. Real signals do not reach an init that does not handle them.
    os.kill(1, 0)


@attempt
def agent_socket():
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("/run/matrx/agent.sock")


@attempt
def become_root():
    done = subprocess.run(["sudo", "-n", "id", "-u"], capture_output=True, text=True, check=False)
    if done.stdout.strip() != "0":
        raise Refused("sudo")


@attempt
def unlimited_files():
    import resource
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1, most + 1))
    except ValueError:  # what Python makes of EPERM here
        raise Refused("EPERM") from None


@attempt
def realtime():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))


# --- Network; where to is in the environment ---
@attempt
def raw_packets():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close()


@attempt
def raw_ip():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attempt
def packet_filter():
    done = subprocess.run(["ip", "link", "set", "lo", "mtu", "1400"], capture_output=True, check=False)
    if done.returncode != 0:
        raise Refused("ip")


@attempt
def abstract_sockets_of_host():
    name = os.environ["ESCAPE_ABSTRACT"]
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + name)


def to(name, kind=socket.SOCK_STREAM):
    def connects():
        for place in os.environ[name].split(","):
            address, _, port = place.rpartition(":")
            connect(address, int(port), kind)
    return connects


@attempt
def connect_link_local6():
    # The bridge has such an address, whether or not the network has IPv6.
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as line:
        line.settimeout(CONNECT_SECONDS)
        interfaces = [name for _, name in socket.if_nameindex() if name != "lo"]
        if not interfaces:
            raise Refused("no interface")
        address, _, port = os.environ["ESCAPE_LINK_LOCAL6"].rpartition(":")
        line.connect((address, int(port), 0, socket.if_nametoindex(interfaces[0])))


for place in ("public", "metadata", "metadata_range", "private_range", "host_gateway", "host_address", "orchestrator",
              "engine_bridge", "sibling", "shared_range"):
    TRIES["connect_" + place] = to("ESCAPE_" + place.upper())


@attempt
def dns_to_anywhere():
    # A question to a server of the caller's choice: how a tunnel through DNS begins.
    address, _, port = os.environ["ESCAPE_DNS"].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(CONNECT_SECONDS)
        line.connect((address, int(port)))
        line.send(b"question")
        line.recv(100)


def run(name):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(TRY_SECONDS)
        try:
            TRIES[name]()
            answer = "open"
        except Refused as why:
            answer = f"refused {why}"
        except OSError as error:
            is_late = isinstance(error, socket.timeout)
            answer = "refused " + ("ETIMEDOUT" if is_late else errno.errorcode.get(error.errno, str(error.errno)))
        except BaseException as error:  # also a wrong name: told, not swallowed
            answer = f"broken {error!r}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 1000).decode() or "broken: it ended without an answer"
    os.close(reader)
    os.waitpid(child, 0)
    return answer


def main():
    names = sys.argv[1:] or sorted(TRIES)
    answers = {name: run(name) for name in names}
    for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp", "NoNewPrivs"):
        answers["status_" + field] = status(field)
    print(json.dumps(answers))


main()
