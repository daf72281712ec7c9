"""A Docker Engine over TCP and TLS: DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH."""
import socket
import ssl
import subprocess
import threading

import pytest
from orchestrator import wait_for
from patience import patience

pytestmark = pytest.mark.integration


def make_certificates(folder):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca-key.pem", "-out",
            "ca.pem", "-days", "2", "-subj", "/CN=test-ca")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth"),
                            ("client", "extendedKeyUsage=clientAuth")):
        (folder / f"{name}.ext").write_text(extension)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-key.pem", "-out",
                f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
                "-CAcreateserial", "-out", f"{name}-cert.pem", "-days", "2", "-extfile",
                f"{name}.ext")
    (folder / "cert.pem").write_bytes((folder / "client-cert.pem").read_bytes())
    (folder / "key.pem").write_bytes((folder / "client-key.pem").read_bytes())


class TlsEngine:
    """The machine's engine behind TLS that asks for a client's certificate."""

    def __init__(self, folder):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server-cert.pem", folder / "server-key.pem")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.served = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            secure = self.context.wrap_socket(connection, server_side=True)
            secure.setblocking(True)
            engine = socket.socket(socket.AF_UNIX)
            engine.connect("/var/run/docker.sock")
            self.served += 1
            threading.Thread(target=self.copy, args=(engine, secure), daemon=True).start()
            self.copy(secure, engine)
        except OSError:
            connection.close()

    @staticmethod
    def copy(source, target):
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def certificates(tmp_path):
    make_certificates(tmp_path)
    return tmp_path


def over_tls(engine, certificates):
    return {"DOCKER_HOST": f"tcp://127.0.0.1:{engine.port}", "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(certificates)}


def test_a_life_over_tls(own, certificates):
    engine = TlsEngine(certificates)
    one = own(**over_tls(engine, certificates)).start()
    sandbox = one.create()
    assert one.run(sandbox["sandbox_id"], "echo over tls")["stdout"] == "over tls\n"
    one.docker("kill", sandbox["container_id"])  # the event stream works as well
    wait_for("the end", lambda: one.row(sandbox["sandbox_id"])["status"] == "stopped")
    second = one.create()["sandbox_id"]
    assert one.destroy(second).status_code == 204
    assert one.containers() == [] and engine.served > 0


def test_an_engine_with_another_authority_is_not_trusted(own, certificates, tmp_path):
    others = tmp_path / "others"
    others.mkdir()
    make_certificates(others)
    engine = TlsEngine(others)
    one = own(**over_tls(engine, certificates)).start()
    ready = one.request("GET", "/health/ready")
    assert ready.status_code == 503
    docker_line = next(d for d in ready.json()["dependencies"] if d["name"] == "docker")
    assert docker_line["status"] == "unavailable"
    assert "certificate" in one.log()
    assert engine.served == 0
    answer = one.request("POST", "/sandboxes", json={"user_id": "u"})
    assert answer.status_code == 503


def test_files_that_are_missing_stop_the_start(own, tmp_path):
    one = own(DOCKER_HOST="tcp://127.0.0.1:1", DOCKER_TLS_VERIFY="1",
              DOCKER_CERT_PATH=str(tmp_path / "nowhere"))
    done = subprocess.run(one.command(), env=one.environment(), capture_output=True, text=True,
                          timeout=patience(20), check=False)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "nowhere" in done.stderr
