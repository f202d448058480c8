"""Reloads the policy file while the worker runs; a bad file is refused and the last good policies stay."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from schemas.policy import PolicyFile
from worker.config import parse_policies, read_file
from worker.errors import ConfigurationError, DeviceError, PolicyError
from worker.policies.compiled import PolicySet, PolicyStore

log = structlog.get_logger(__name__)

NAMED_IN_LOG = 20
"""Tenants that a line of the log names; the others are counted."""

Compile = Callable[[PolicyFile, PolicySet], AsyncIterator[PolicySet]]
"""The policies to put in force one after the other on the way to a file's, given those in force."""


class PolicyWatcher:
    """Looks at the file every so often and puts changed policies in force.

    Content is compared, not times: a mounted ConfigMap is swapped by a link. A change counts once two looks in a row
    have found it, since half of a file that is being written may be valid and lack tenants.
    """

    def __init__(
        self,
        path: Path,
        store: PolicyStore,
        compile_file: Compile,
        interval_seconds: float,
        on_change: Callable[[PolicySet, PolicySet], None],
        on_loaded: Callable[[], None],
        on_refusal: Callable[[str], None],
        loaded: bytes,
    ) -> None:
        """`loaded` is the content that the store was made from.

        `on_change` gets the policies before and after, each time that others come into force; `on_loaded` is called
        when those are the whole file's, `on_refusal` gets the reason why they cannot be, once.
        """
        self._path = path
        self._store = store
        self._compile = compile_file
        self._interval_seconds = interval_seconds
        self._on_change = on_change
        self._on_loaded = on_loaded
        self._on_refusal = on_refusal
        self._applied: bytes | None = loaded
        self._seen: bytes | None = loaded
        self.last_error: str | None = None
        """Why the file as it stands is not in force; None when it is."""

    async def run(self) -> None:
        """Look for ever; ends only by being cancelled."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.look()

    async def look(self) -> bool:
        """Look once; true if what it holds came into force."""
        try:
            content = await asyncio.to_thread(read_file, self._path)
        except ConfigurationError as error:
            self._seen = self._applied = None
            self._refuse(str(error))
            return False
        settled, self._seen = content == self._seen, content
        if not settled or content == self._applied:
            return False
        self._applied = content
        before = self._store.current
        try:
            file = await asyncio.to_thread(parse_policies, content, str(self._path))
            async for policies in self._compile(file, before):
                self._put_in_force(policies)
        except (ConfigurationError, PolicyError) as error:
            self._refuse(str(error))
            return False
        except DeviceError:
            raise
        except Exception as error:  # a model that fails on a label set must not end the reloading, or the worker
            self._put_in_force(before)
            self._refuse(f"{self._path}: the model failed on it: {type(error).__name__}: {error}")
            return False
        self.last_error = None
        self._on_loaded()
        after = self._store.current
        old, new = before.by_name(), after.by_name()
        changed = [tenant for tenant, policy in new.items() if policy is not old.get(tenant)]
        removed = [tenant for tenant in old if tenant not in new]
        log.info(
            "policies loaded",
            changed=changed[:NAMED_IN_LOG],
            removed=removed[:NAMED_IN_LOG],
            changed_count=len(changed),
            removed_count=len(removed),
        )
        return True

    def _put_in_force(self, policies: PolicySet) -> None:
        before = self._store.current
        if policies is not before:
            self._store.replace(policies)
            self._on_change(before, policies)

    def _refuse(self, reason: str) -> None:
        if reason != self.last_error:
            log.error("policies refused", reason=reason)
            self._on_refusal(reason)
        self.last_error = reason
