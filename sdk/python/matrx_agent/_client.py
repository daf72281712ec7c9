"""The three signals, asked again with growing pauses where that may help."""

import asyncio
import http.client
import json
import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ._errors import SandboxError, SignalFailed, SignalRefused
from ._info import SandboxInfo, info

ANSWER_BYTES_MAX = 1 << 20
BODY_BYTES_MAX = 64 << 10  # what the agent takes
# Too early, too much, or a fault of the other side. Any other refusal is for ever.
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
ENDED = 410


@dataclass(frozen=True)
class Retries:
    """Pauses double from the first one, and are shortened at random by up to a half, so that many sandboxes that lost
    the same orchestrator do not return to it in step."""

    tries: int = 4
    first_pause_seconds: float = 0.5
    pause_seconds_max: float = 8.0
    timeout_seconds: float = 20.0  # of each try; the agent itself gives up earlier, with an answer

    def pause_seconds(self, failed_tries: int, asked_for: float | None = None) -> float:
        grown = self.first_pause_seconds * 2 ** (failed_tries - 1)
        pause = min(grown, self.pause_seconds_max) * random.uniform(0.5, 1.0)
        # Somebody who names a time is believed, within reason.
        return max(pause, min(asked_for or 0.0, self.pause_seconds_max))


@dataclass(frozen=True)
class _Request:
    kind: str
    url: str
    body: bytes
    timeout_seconds: float


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    retry_after: float | None = None


def _send(request: _Request) -> _Answer:
    """One try. Neither a proxy nor a redirection is followed: the agent is next door."""
    parts = urlsplit(request.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=request.timeout_seconds)
    try:
        connection.request("POST", parts.path, request.body,
                           {"Content-Type": "application/json", "Connection": "close"})
        response = connection.getresponse()
        after = response.getheader("Retry-After", "")
        return _Answer(response.status, response.read(ANSWER_BYTES_MAX),
                       float(after) if after.isascii() and after.isdigit() else None)
    finally:
        connection.close()


class _Signal:
    """What both clients share: a generator that wants requests sent and pauses made, and returns the answer."""

    def __init__(self, of: SandboxInfo | None = None, retries: Retries | None = None) -> None:
        self.info = of or info()
        self.retries = retries or Retries()

    def _request(self, kind: str, fields: dict[str, Any]) -> _Request:
        try:
            body = json.dumps(fields, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise SandboxError(f"this cannot be sent as JSON: {error}") from error
        if len(body) > BODY_BYTES_MAX:
            raise SandboxError(f"{len(body)} bytes are too many for a signal ({BODY_BYTES_MAX} at most): write them to "
                               "a file in the home, which is saved")
        url = f"{self.info.orchestrator_url}/sandboxes/{self.info.sandbox_id}/{kind}"
        return _Request(kind, url, body, self.retries.timeout_seconds)

    def _steps(self, kind: str, fields: dict[str, Any]
               ) -> Generator["_Request | float", "_Answer | Exception | None", dict[str, Any]]:
        request, failed = self._request(kind, fields), 0
        while True:
            answer = yield request
            asked_for = None
            if isinstance(answer, _Answer):
                if 200 <= answer.status < 300:
                    return _decoded(answer)
                if failed and answer.status == ENDED and kind != "heartbeat":
                    # An earlier try had arrived and only its answer was lost.
                    return {"status": "shutting_down", "sandbox_id": self.info.sandbox_id}
                if answer.status not in TRY_AGAIN:
                    raise SignalRefused(answer.status, _detail(answer))
                reason, asked_for = f"{answer.status}: {_detail(answer)}", answer.retry_after
            else:
                reason = f"{type(answer).__name__}: {answer}"
            failed += 1
            if failed >= self.retries.tries:
                raise SignalFailed(failed, reason)
            yield self.retries.pause_seconds(failed, asked_for)


def _decoded(answer: _Answer) -> dict[str, Any]:
    try:
        fields = json.loads(answer.body)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {}


def _detail(answer: _Answer) -> str:
    detail = _decoded(answer).get("detail", answer.body[:200].decode(errors="replace"))
    return detail if isinstance(detail, str) else json.dumps(detail)


def _try_once(request: _Request) -> "_Answer | Exception":
    try:
        return _send(request)
    except (OSError, http.client.HTTPException) as error:
        return error


class SandboxClient(_Signal):
    """Blocks while it sends. Safe to share between threads: it keeps nothing but its settings."""

    def heartbeat(self) -> dict[str, Any]:
        """Says that work goes on."""
        return self._run("heartbeat", {})

    def complete(self, result: Any = None) -> dict[str, Any]:
        """Says that the work is done, with its result as JSON. The sandbox is saved and stopped: this program, too."""
        return self._run("complete", {"result": {} if result is None else result})

    def error(self, error: str, details: Any = None) -> dict[str, Any]:
        """Says that the work has failed. The sandbox is saved and stopped: this program, too."""
        return self._run("error", {"error": str(error), "details": {} if details is None else details})

    def _run(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        steps, answer = self._steps(kind, fields), None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, _Request):
                    answer = _try_once(step)
                else:
                    time.sleep(step)
        except StopIteration as done:
            return done.value


class AsyncSandboxClient(_Signal):
    """The same for asyncio. A cancelled call ends at once; what it has sent by then may have arrived."""

    async def heartbeat(self) -> dict[str, Any]:
        return await self._run("heartbeat", {})

    async def complete(self, result: Any = None) -> dict[str, Any]:
        return await self._run("complete", {"result": {} if result is None else result})

    async def error(self, error: str, details: Any = None) -> dict[str, Any]:
        return await self._run("error", {"error": str(error), "details": {} if details is None else details})

    async def _run(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        steps, answer = self._steps(kind, fields), None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as done:
                return done.value
            answer = None
            if isinstance(step, _Request):
                answer = await asyncio.to_thread(_try_once, step)
            else:
                await asyncio.sleep(step)
