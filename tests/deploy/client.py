"""A client of the API, and load that goes on through breaks of the connection."""
import threading
import time
import uuid

import httpx

GIVE_UP_SECONDS = 300


class Client:
    def __init__(self, port, key):
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": key}, timeout=60)

    def ready(self):
        try:
            return self.http.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def call(self, method, path, status=200, **options):
        response = self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def create(self, user_id, **fields):
        made = self.call("POST", "/sandboxes", 201, json={"user_id": user_id, **fields})
        return made["sandbox_id"]

    def exec(self, sandbox_id, command):
        done = self.call("POST", f"/sandboxes/{sandbox_id}/exec", json={"command": command})
        assert done["exit_code"] == 0, done
        return done["stdout"]

    def status(self, sandbox_id):
        return self.call("GET", f"/sandboxes/{sandbox_id}")["status"]

    def output(self, sandbox_id, process_id):
        response = self.http.get(f"/sandboxes/{sandbox_id}/processes/{process_id}/output?follow=false")
        assert response.status_code == 200, response.text
        return response.text


class Load:
    """One thread for each sandbox: a command after the other, each of which leaves its number in a file. Only where no
    answer has come at all is it sent again; every answer that is not the expected one is a failure."""

    def __init__(self, client, sandboxes):
        self.client, self.counts, self.reconnects, self.failed = client, dict.fromkeys(sandboxes, 0), 0, []
        self.file = f"numbers-{uuid.uuid4().hex[:8]}"
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.work, args=[one]) for one in sandboxes]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def work(self, sandbox_id):
        while not self.stopping.is_set() and not self.failed:
            number = self.counts[sandbox_id] + 1
            self.send(sandbox_id, number)
            self.counts[sandbox_id] = number

    def send(self, sandbox_id, number):
        body = {"command": f"echo {number} >>{self.file} && echo {number}"}
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            try:
                response = self.client.http.post(f"/sandboxes/{sandbox_id}/exec", json=body)
            except httpx.TransportError:
                with self.lock:
                    self.reconnects += 1
                time.sleep(0.05)
                continue
            if response.status_code != 200 or response.json()["stdout"] != f"{number}\n":
                self.failed.append(f"{sandbox_id} {number}: {response.status_code} {response.text}")
            return
        self.failed.append(f"{sandbox_id} {number}: no answer")

    def wait_for_more(self, commands):
        """Until each sandbox has done so many more."""
        goals = {one: count + commands for one, count in self.counts.items()}
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while any(self.counts[one] < goal for one, goal in goals.items()):
            assert not self.failed and time.monotonic() < deadline, self.failed or "the load stands still"
            time.sleep(0.05)

    def check(self):
        """No command failed, and each has left its number."""
        assert not self.failed, self.failed
        for sandbox_id, count in self.counts.items():
            numbers = self.client.exec(sandbox_id, f"sort -nu {self.file}").split()
            assert numbers == [str(n) for n in range(1, count + 1)], (sandbox_id, count, len(numbers))
