"""A policy file becomes policies that this worker can serve."""

from collections.abc import Awaitable, Callable

import structlog

from model.scorer import Scorer
from schemas.policy import PolicyFile
from worker.batching.cost_model import CostModel
from worker.device.thread import Device
from worker.policies.compiled import CompileOptions, PolicySet, compile_policies
from worker.policies.lint import lint_budgets, lint_label_sets

log = structlog.get_logger(__name__)


class PolicyCompiler:
    """Label sets are prepared on the device thread, topics looked up, and budgets held against the cost model."""

    def __init__(
        self,
        device: Device,
        model: Scorer,
        options: CompileOptions,
        cost_model: CostModel,
        look_up_topics: Callable[[PolicySet], Awaitable[None]],
    ) -> None:
        """`look_up_topics` raises for routes to topics that do not exist or are denied."""
        self._device = device
        self._model = model
        self._options = options
        self._cost_model = cost_model
        self._look_up_topics = look_up_topics

    async def compile(self, file: PolicyFile, previous: PolicySet | None = None) -> PolicySet:
        """The file's policies; those that are unchanged since `previous` keep their compiled object.

        Raises:
            PolicyError: the model refuses a label set, or a route leads to a topic that cannot be used.
        """
        compiled = await self._device.run(compile_policies, file, self._model, self._options, previous)
        await self._look_up_topics(compiled)
        for finding in lint_budgets(compiled, self._cost_model):
            log.warning("a policy that cannot be kept", policy=finding.path, reason=finding.message)
        known = previous.by_name() if previous else {}
        changed = [policy for tenant, policy in compiled.by_name().items() if policy is not known.get(tenant)]
        for finding in lint_label_sets(changed):
            log.warning("a label set that is not read as written", policy=finding.path, reason=finding.message)
        return compiled
