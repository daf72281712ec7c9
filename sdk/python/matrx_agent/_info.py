"""What a sandbox knows about itself: environment variables, read once."""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ._errors import SandboxError

DEFAULT_URL = "http://127.0.0.1:49980"  # the agent's loopback port, unless the orchestrator says another
SANDBOX_ID = re.compile(r"sbx-[0-9a-f]{12}")
USER_ID = re.compile(r"[a-zA-Z0-9._-]{1,255}")


@dataclass(frozen=True)
class SandboxInfo:
    sandbox_id: str
    user_id: str
    hot_path: str = "/home/agent"
    cold_path: str = "/data/cold"
    orchestrator_url: str = DEFAULT_URL

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SandboxInfo":
        """Raises SandboxError with a sentence where a variable is missing or wrong."""
        sandbox_id = environment.get("SANDBOX_ID", "")
        if not SANDBOX_ID.fullmatch(sandbox_id):
            raise SandboxError(f"SANDBOX_ID is {sandbox_id[:80]!r}: this is no sandbox, or its "
                               "environment was not passed on")
        user_id = environment.get("USER_ID", "")
        if not USER_ID.fullmatch(user_id) or user_id in (".", ".."):
            raise SandboxError(f"USER_ID is {user_id[:80]!r}: it takes 1 to 255 letters, digits, "
                               "dots, underscores and dashes")
        paths = {}
        for name, preset in (("HOT_PATH", cls.hot_path), ("COLD_PATH", cls.cold_path)):
            paths[name.lower()] = environment.get(name) or preset
            if not paths[name.lower()].startswith("/"):
                raise SandboxError(f"{name} is {paths[name.lower()][:80]!r}: it takes an absolute "
                                   "path")
        url = (environment.get("ORCHESTRATOR_URL") or DEFAULT_URL).rstrip("/")
        if not _is_url(url):
            raise SandboxError(f"ORCHESTRATOR_URL is {url[:80]!r}: it takes a URL with http or "
                               "https")
        return cls(sandbox_id, user_id, orchestrator_url=url, **paths)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@functools.cache
def info() -> SandboxInfo:
    """This sandbox. The environment is read at the first call only."""
    return SandboxInfo.from_environment(os.environ)
