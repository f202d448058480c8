"""`gliclass-worker check`, the part on time: what a message of each policy costs this device."""

from collections.abc import Iterable, Iterator

from model.scorer import Scorer
from worker.batching.cost_model import CostModel
from worker.checks.result import CheckResult, Outcome
from worker.device.cost_measurement import squared_tokens
from worker.policies.compiled import CompiledPolicy
from worker.policies.lint import lint_budgets

COSTS = "cost of a message"
TEXT_WORDS = 60
MOST_SHOWN = 3


def cost_results(policies: Iterable[CompiledPolicy], model: Scorer, cost_model: CostModel) -> Iterator[CheckResult]:
    """The dearest policies by the device's time for one message of theirs alone, and budgets that cannot be kept."""
    policies = list(policies)
    costs = sorted(((policy_seconds(policy, model, cost_model), policy.tenant) for policy in policies), reverse=True)
    shown = ", ".join(f"{tenant} {1000 * seconds:.1f} ms" for seconds, tenant in costs[:MOST_SHOWN])
    if len(costs) > MOST_SHOWN:
        cheapest_seconds, cheapest = costs[-1]
        shown += f", … {cheapest} {1000 * cheapest_seconds:.1f} ms"
    yield CheckResult(COSTS, Outcome.OK, f"of {TEXT_WORDS} words, alone on this device: {shown}")
    for path, message in lint_budgets(policies, cost_model):
        yield CheckResult(COSTS, Outcome.WARNING, f"{path}: {message}")


def policy_seconds(policy: CompiledPolicy, model: Scorer, cost_model: CostModel) -> float:
    """What a message of TEXT_WORDS words takes under all tasks of a policy, in seconds."""
    encoded = model.encode("a " * TEXT_WORDS, policy.prepared, policy.long_text)
    return cost_model.predict(encoded.token_count, squared_tokens(encoded))
