"""Passwords and certificates whose files are replaced while the worker runs: read again, and when to give up."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from schemas.kafka_settings import KafkaSettings
from worker.errors import ConfigurationError
from worker.kafka.client_options import client_options

log = structlog.get_logger(__name__)

ReadOptions = Callable[[KafkaSettings], Mapping[str, Any]]

ROTATING = ("ssl_context", "sasl_plain_password")
"""The arguments of a client that are made of files."""

UNREPLACEABLE_SECONDS = 20.0
"""A broker that has just started may not know its users yet."""


class Credentials:
    """What clients log in with now; looked at before each connection, read again when a file has changed."""

    def __init__(
        self, kafka: KafkaSettings, read: Callable[[KafkaSettings], Mapping[str, Any]] = client_options
    ) -> None:
        """Raises ConfigurationError where a file is unusable."""
        security = kafka.security
        paths = (security.password_file, security.ca_file, security.certificate_file, security.key_file)
        self._kafka = kafka
        self._read = read
        self._files = [path for path in paths if path is not None]
        self._seen = _versions(self._files)
        self._current = self._rotating()

    @property
    def replaceable(self) -> bool:
        """Whether any of it comes from a file, so that a refusal may end without a restart."""
        return bool(self._files)

    def current(self) -> Mapping[str, Any]:
        """Arguments by name. Files that cannot be used, such as half of a pair, leave the last good ones in force."""
        seen = _versions(self._files)
        if seen != self._seen:
            self._seen = seen
            try:
                self._current = self._rotating()
            except ConfigurationError as error:
                log.error("the replaced credentials cannot be used, the former ones stay", error=str(error))
            else:
                log.info("credentials read again", files=[str(path) for path in self._files])
        return self._current

    def _rotating(self) -> dict[str, Any]:
        return {name: value for name, value in self._read(self._kafka).items() if name in ROTATING}


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """No broker lets this client in, for a reason that waiting does not change. `since`: monotonic seconds.

    `replaceable`: files hold the credentials, and whoever replaces them heals it.
    """

    since: float
    reason: str
    replaceable: bool

    def is_final(self, now: float, patience_seconds: float) -> bool:
        """Whether nothing has changed it in so long; what no file holds, only a start with other settings can."""
        patience = patience_seconds if self.replaceable else min(patience_seconds, UNREPLACEABLE_SECONDS)
        return now - self.since >= patience


def _versions(files: Collection[Path]) -> list[tuple[int, int, int] | None]:
    """What tells that a file was written or replaced, through links as those of a mounted secret; None: it is gone."""
    versions: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            found = file.stat()
        except OSError:
            versions.append(None)
        else:
            versions.append((found.st_mtime_ns, found.st_ino, found.st_size))
    return versions
