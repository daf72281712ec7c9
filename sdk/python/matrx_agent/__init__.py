"""For programs inside a sandbox: who am I, and three things to tell the orchestrator.

    import matrx_agent

    matrx_agent.info().sandbox_id
    client = matrx_agent.SandboxClient()
    client.heartbeat()                       # still at work
    client.complete({"answer": 42})          # done: the sandbox is saved and stopped
    client.error("no licence", {"host": 1})  # given up: the same, with a reason

    await matrx_agent.AsyncSandboxClient().heartbeat()

No key is needed, whether or not the orchestrator has one: signals go to the agent of this sandbox, over loopback, and
the agent can speak for this sandbox only.
"""

from ._client import AsyncSandboxClient, Retries, SandboxClient
from ._errors import SandboxError, SignalFailed, SignalRefused
from ._info import SandboxInfo, info

__all__ = ["AsyncSandboxClient", "Retries", "SandboxClient", "SandboxError", "SandboxInfo",
           "SignalFailed", "SignalRefused", "info"]
