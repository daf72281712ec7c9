"""What can go wrong."""


class SandboxError(Exception):
    """Everything that this package raises on purpose."""


class SignalRefused(SandboxError):
    """The orchestrator has understood and says no; to ask again would change nothing."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"refused with {status}: {detail}")
        self.status = status
        self.detail = detail


class SignalFailed(SandboxError):
    """No try has reached the orchestrator, or it was unable to answer each time."""

    def __init__(self, tries: int, reason: str) -> None:
        super().__init__(f"{tries} tries failed, the last one so: {reason}")
        self.tries = tries
        self.reason = reason
