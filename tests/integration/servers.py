"""Servers that a test may hurt: Postgres, and a second Docker Engine."""
import io
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import time

from orchestrator import docker, wait_for
from patience import patience

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Postgres:
    """Debian's Postgres in a folder of its own; loses nothing when it is killed."""

    def __init__(self):
        words = "$MATRX_TEST_DATABASE_URL $MATRX_TEST_PG_CTL"
        self.process = subprocess.Popen(
            [ROOT / "tools/with-postgres.sh", "bash", "-c", f"echo {words}; read -r _ || true"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MATRX_TEST_PG_DURABLE": "1"})
        self.url, self.ctl = self.process.stdout.readline().split()
        self.databases = 0

    def new_database(self):
        self.databases += 1
        name = f"test_{self.databases}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE matrx")
        return self.url.replace("/matrx?", f"/{name}?")

    def sql(self, text, url=None, check=True):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "|",
                               url or self.url.replace("/matrx?", "/postgres?")],
                              input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip() if check else done

    def apply(self, file, url):
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", url, "-f", ROOT / file],
                       check=True, capture_output=True)

    def stop(self):
        subprocess.run([self.ctl, "stop", "-m", "immediate"], check=True)

    def start(self):
        subprocess.run([self.ctl, "start"], check=True)

    def restart(self):
        subprocess.run([self.ctl, "restart", "-m", "fast"], check=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait(patience(120))  # hundreds of megabytes of databases go, on a disk that others use


class TcpLine:
    """A TCP line to the database's Unix socket, that a test may make slow or silent."""

    def __init__(self, url):
        self.socket = url.split("host=")[1].split("&")[0] + "/.s.PGSQL.5432"
        self.delay_seconds, self.generation = 0, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        port = self.server.getsockname()[1]
        database = url.split("@/")[1].split("?")[0]
        self.url = (f"postgresql://matrx@127.0.0.1:{port}/{database}"
                    "?sslmode=disable&gssencmode=disable")
        threading.Thread(target=self.accept, daemon=True).start()

    def silence(self):
        self.generation += 1

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, self.generation),
                             daemon=True).start()

    def serve(self, client, generation):
        time.sleep(self.delay_seconds)
        database = socket.socket(socket.AF_UNIX)
        database.connect(self.socket)
        pair = (client, database), (database, client)
        for source, sink in pair:
            threading.Thread(target=self.relay, args=(source, sink, generation),
                             daemon=True).start()

    def relay(self, source, sink, generation):
        try:
            while data := source.recv(65536):
                if generation == self.generation:
                    sink.sendall(data)
            if generation == self.generation:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.server.close()


class Pooler:
    """PgBouncer in transaction mode: consecutive statements may meet different server sessions."""

    def __init__(self, url):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="matrx-pooler-"))
        server = url.split("host=")[1]
        database = url.split("@/")[1].split("?")[0]
        (self.folder / "users").write_text('"matrx" ""\n')
        (self.folder / "ini").write_text(
            f"[databases]\n{database} = host={server} user=matrx\n[pgbouncer]\n"
            f"pool_mode = transaction\nauth_type = trust\nauth_file = {self.folder}/users\n"
            f"unix_socket_dir = {self.folder}\nlisten_addr =\ndefault_pool_size = 3\n"
            f"user = postgres\n")
        shutil.chown(self.folder, "postgres")
        self.process = subprocess.Popen(["pgbouncer", "-q", self.folder / "ini"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"postgresql://matrx@/{database}?host={self.folder}&port=6432"
        wait_for("the pooler", lambda: (self.folder / ".s.PGSQL.6432").exists())

    def close(self):
        self.process.kill()  # its newer versions wait for the clients to go first
        self.process.wait(patience(30))
        shutil.rmtree(self.folder, ignore_errors=True)


class PrivateDocker:
    """A Docker Engine beside the machine's own, with an image that holds nothing but a user."""

    IMAGE = "matrx-empty:latest"

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="matrx-docker-"))
        self.host = f"unix://{self.folder}/sock"
        self.process = None
        self.start()
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            passwd = b"root:x:0:0::/root:/bin/sh\nagent:x:1000:1000::/home/agent:/bin/sh\n"
            entry = tarfile.TarInfo("etc/passwd")
            entry.size = len(passwd)
            archive.addfile(entry, io.BytesIO(passwd))
            home = tarfile.TarInfo("home/agent")
            home.type, home.uid, home.gid, home.mode = tarfile.DIRTYPE, 1000, 1000, 0o755
            archive.addfile(home)
        subprocess.run(["docker", "-H", self.host, "import", "-", self.IMAGE],
                       input=tar.getvalue(), check=True, capture_output=True)

    def settings(self):
        return {"DOCKER_HOST": self.host, "MATRX_SANDBOX_IMAGE": self.IMAGE}

    def start(self):
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                # In a network of its own: without a bridge it would take away the other engine's.
                ["unshare", "--net", "dockerd", "--data-root", self.folder / "root",
                 "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid",
                 "-H", self.host, "--bridge=none", "--iptables=false", "--ip-masq=false"],
                stdout=log, stderr=log)
        wait_for("the second engine", lambda: docker("version", "--format", "{{.Server.Version}}",
                                                     host=self.host), 60)

    def stop(self):
        self.process.terminate()
        self.process.wait(patience(60))

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        for container in docker("ps", "-aq", host=self.host).split():
            docker("rm", "-f", container, host=self.host)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
