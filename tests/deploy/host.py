"""A container that stands for a host: a clean Debian with systemd as its first process, sshd, and a user with sudo.
All that a test does to it goes over SSH, as to a real one."""
import os
import pathlib
import shlex
import subprocess

from orchestrator import wait_for
from s3_server import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENTRY = pathlib.Path(__file__).with_name("entry.sh")
CAPABILITIES = os.environ["MATRX_TRY_CAPABILITIES"].split()
IMAGE_TAR = pathlib.Path(os.environ["MATRX_TRY_IMAGE_TAR"])
SUITE = os.environ["MATRX_TRY_SUITE"]
USER = "admin"


def run(*words, check=True, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert not check or done.returncode == 0, f"{words[0]} {words[1]} … ended with {done.returncode}: " \
                                              f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


class Host:
    def __init__(self, purpose, folder):
        self.name = f"matrx-deploy-{SUITE}-{purpose}"
        self.folder = folder
        self.key, self.known_hosts = folder / "key", folder / "known_hosts"
        self.tunnels = []
        run("docker", "rm", "-f", "-v", self.name, check=False)
        run("docker", "run", "-d", "--name", self.name, "--hostname", self.name,
            *(f"--cap-add={name}" for name in CAPABILITIES),
            *(word for what in ("seccomp", "apparmor", "systempaths")
              for word in ("--security-opt", f"{what}=unconfined")),
            "--device-cgroup-rule", "a *:* rwm", "--device", "/dev/fuse", "--cgroupns", "private",
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "-e", "container=docker", "--stop-signal", "SIGRTMIN+3",
            "-v", "/var/lib/docker", "-v", "/var/lib/containerd", "-v", "/var/lib/matrx",
            "-v", f"matrx-deploy-apt-{SUITE}:/var/cache/apt", "-v", f"{ENTRY}:/entry.sh:ro",
            "-v", f"{IMAGE_TAR}:/image.tar:ro", "-p", "127.0.0.1::22",
            f"matrx-deploy-host:{SUITE}", "/entry.sh")
        self.port = int(run("docker", "port", self.name, "22").stdout.split(":")[-1])
        wait_for("systemd", lambda: self.inside("systemctl", "is-system-running", check=False).stdout.strip()
                 in ("running", "degraded"), 120)
        self.sign_in()

    # --- As the machine's owner, over its console: only to let us in, and to look at it ---
    def inside(self, *words, **options):
        return run("docker", "exec", self.name, *words, **options)

    def sign_in(self):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        public = self.key.with_suffix(".pub").read_text()
        self.inside("sh", "-c", f"""useradd -m -s /bin/bash {USER}
            echo '{USER} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{USER}
            install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh
            printf %s {shlex.quote(public)} >/home/{USER}/.ssh/authorized_keys""")
        host_key = self.inside("cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host_key}")
        wait_for("sshd", lambda: self.ssh("true", check=False).returncode == 0, 60)

    def close(self):
        for tunnel in self.tunnels:
            tunnel.kill()
            tunnel.wait()
        run("docker", "rm", "-f", "-v", self.name)

    # --- As who deploys ---
    def options(self):
        return ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
                "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null",
                "-o", f"Port={self.port}", "-i", self.key, "-o", "IdentitiesOnly=yes"]

    def ssh(self, command, **options):
        return run("ssh", *self.options(), f"{USER}@127.0.0.1", command, **options)

    def copy(self, *sources):
        run("scp", "-q", "-r", *self.options(), *sources, f"{USER}@127.0.0.1:")

    def tunnel(self):
        """A port of this machine that leads to the orchestrator there, which listens on its own loopback only."""
        port = free_port()
        self.tunnels.append(subprocess.Popen(
            ["ssh", "-N", *map(str, self.options()), "-L", f"127.0.0.1:{port}:127.0.0.1:8000", f"{USER}@127.0.0.1"],
            stderr=subprocess.DEVNULL))
        return port

    def settings(self, changes):
        return {**os.environ, "MATRX_SSH_KEY": self.key, "MATRX_SSH_KNOWN_HOSTS": self.known_hosts,
                "MATRX_SSH_PORT_OF_HOST": str(self.port), **changes}

    def deploy(self, what, **changes):
        """The real deploy.sh. Answers what it said and its exit code; nothing is checked."""
        return run(ROOT / "deploy/deploy.sh", f"{USER}@127.0.0.1", what, check=False, env=self.settings(changes))

    def deploying(self, what, **changes):
        """The same, at work in a process group of its own."""
        return subprocess.Popen([ROOT / "deploy/deploy.sh", f"{USER}@127.0.0.1", what], env=self.settings(changes),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def load_sandbox_image(self):
        self.ssh("sudo docker load -q -i /image.tar")

    def api_key(self):
        return self.ssh("sudo sed -n 's/^MATRX_API_KEY=//p' /etc/matrx-sandbox/orchestrator.env").stdout.strip()

    # --- What is so there ---
    def serving(self):
        """The program that runs as the service, by the path of its file."""
        return self.ssh("sudo readlink /proc/$(systemctl show -P MainPID matrx-orchestrator)/exe",
                        check=False).stdout.strip()

    def unit(self, what):
        return self.ssh(f"systemctl show -P {what} matrx-orchestrator").stdout.strip()

    def containers(self):
        """The sandboxes that Docker knows there: name and start of each."""
        listed = self.ssh("for id in $(sudo docker ps -q); do"
                          " sudo docker inspect -f '{{.Name}} {{.State.StartedAt}} {{.RestartCount}}' $id; done").stdout
        return sorted(listed.split("\n")[:-1])
