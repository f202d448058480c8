"""What one check of `gliclass-worker check` found."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """A warning is something to know, not something to stop for; skipped is what an earlier failure made pointless."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`detail` says what was seen, or what is wrong and what to change."""

    name: str
    outcome: Outcome
    detail: str

    @property
    def ok(self) -> bool:
        return self.outcome is not Outcome.FAILED
