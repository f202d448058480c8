"""A policy file becomes policies that this worker can serve, beside the batches of those that it serves already."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import structlog

from schemas.policy import PolicyFile
from worker.batching.cost_model import CostModel
from worker.device.thread import Device
from worker.policies.compiled import (
    CompiledPolicy,
    CompileOptions,
    PolicySet,
    PreparesLabelSets,
    changed_policies,
    draft_policies,
    with_prepared,
)
from worker.policies.lint import Finding, lint_budgets, lint_label_sets

if TYPE_CHECKING:
    from model.label_preparation import Unit
    from model.prompt import PreparedLabelSet

log = structlog.get_logger(__name__)

SLICE_SECONDS = 0.03
"""How long the device computes label vectors at a time: a batch that is bound meanwhile waits no longer than this."""
START_SLICE_SECONDS = 1.0
"""The same before anything is served: longer passes waste less of the device."""
FILLED_AT_A_TIME = 20
FIRST_SLICE_TOKENS, MOST_SLICE_TOKENS = 64, 16_384
POLICIES_AT_A_TIME = 50
"""So many come into force together; each time costs a copy of the table of all tenants."""
PROGRESS_SECONDS = 5.0

Progress = Callable[[int, int], None]
"""Called with the policies that are ready and those that there are."""


class PolicyCompiler:
    """Label sets are checked and tokenised in a thread, topics looked up, and vectors computed slice by slice."""

    def __init__(
        self,
        device: Device,
        model: PreparesLabelSets,
        options: CompileOptions,
        cost_model: CostModel,
        look_up_topics: Callable[[PolicySet], Awaitable[None]],
        on_progress: Progress,
    ) -> None:
        """`look_up_topics` raises for routes to topics that do not exist or are denied."""
        self._device = device
        self._model = model
        self._options = options
        self._cost_model = cost_model
        self._look_up_topics = look_up_topics
        self._on_progress = on_progress
        self._slice_tokens = FIRST_SLICE_TOKENS
        self._slice_seconds = START_SLICE_SECONDS

    async def compile(self, file: PolicyFile, previous: PolicySet | None = None) -> AsyncGenerator[PolicySet, None]:
        """Sets to put in force one after the other; the last one is the file's.

        Those before it are `previous` with some of the file's policies: tenants are served under a changed policy as
        soon as it is ready, and those that the file no longer has until all are. Policies that are unchanged since
        `previous` keep their compiled object.

        Raises:
            PolicyError: the model refuses a label set, or a route leads to a topic that cannot be used; before the
                first set.
        """
        self._slice_seconds = START_SLICE_SECONDS if previous is None else SLICE_SECONDS
        self._slice_tokens = FIRST_SLICE_TOKENS
        drafted = await asyncio.to_thread(draft_policies, file, self._model, self._options, previous)
        await self._look_up_topics(drafted)
        count, changed = len(drafted.by_name()), changed_policies(drafted, previous)
        ready: list[CompiledPolicy] = []
        said_at = time.monotonic()
        async for policies in self._filled(changed):
            self._say(await asyncio.to_thread(_findings, policies, self._cost_model))
            ready += policies
            done = count - len(changed) + len(ready)
            self._on_progress(done, count)
            if len(ready) < len(changed) and time.monotonic() - said_at > PROGRESS_SECONDS:
                said_at = time.monotonic()
                log.info("policies are being prepared", ready=done, policies=count)
            if previous is not None and len(ready) < len(changed):
                yield previous.with_policies(ready)
        yield drafted.with_policies(ready)

    async def _filled(self, drafted: Sequence[CompiledPolicy]) -> AsyncGenerator[list[CompiledPolicy], None]:
        """The policies with all that the device computes, some at a time, in order."""
        for start in range(0, len(drafted), POLICIES_AT_A_TIME):
            part = drafted[start : start + POLICIES_AT_A_TIME]
            drafts = list({draft.key: draft for policy in part for draft in policy.prepared}.values())
            waiting = deque(await self._device.prepare(partial(self._model.missing, drafts)))
            while waiting:
                units = self._slice(waiting)
                seconds = await self._device.prepare(partial(_timed, partial(self._model.compute, units)))
                self._learn(sum(unit.token_count for unit in units), seconds)
            filled: dict[str, PreparedLabelSet] = {}
            for at in range(0, len(drafts), FILLED_AT_A_TIME):
                chosen = drafts[at : at + FILLED_AT_A_TIME]
                done = await self._device.prepare(partial(self._model.fill, chosen))
                filled |= {draft.key: one for draft, one in zip(chosen, done, strict=True)}
            yield [with_prepared(policy, filled) for policy in part]

    def _slice(self, waiting: "deque[Unit]") -> "list[Unit]":
        """Take the first of them that make a slice; at least one."""
        units = [waiting.popleft()]
        tokens = units[0].token_count
        while waiting and (tokens := tokens + waiting[0].token_count) <= self._slice_tokens:
            units.append(waiting.popleft())
        return units

    def _learn(self, tokens: int, seconds: float) -> None:
        """A slice of so many tokens took so long: the next one takes what a slice may, and grows at most twofold."""
        fitting = tokens * self._slice_seconds / max(seconds, 1e-6)
        self._slice_tokens = int(min(max(1.0, fitting), 2 * self._slice_tokens, MOST_SLICE_TOKENS))

    def _say(self, findings: Sequence[tuple[str, Finding]]) -> None:
        for event, finding in findings:
            log.warning(event, policy=finding.path, reason=finding.message)


def _findings(policies: Sequence[CompiledPolicy], cost_model: CostModel) -> list[tuple[str, Finding]]:
    budgets = [("a policy that cannot be kept", finding) for finding in lint_budgets(policies, cost_model)]
    return budgets + [("a label set that is not read as written", found) for found in lint_label_sets(policies)]


def _timed(function: Callable[[], object]) -> float:
    began_at = time.perf_counter()
    function()
    return time.perf_counter() - began_at
