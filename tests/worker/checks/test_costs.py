import pytest
from support.batching import cost_model
from support.policies import policy_file
from support.tiny_checkpoint import write_tiny_checkpoint

from model.scorer import Scorer
from worker.checks.costs import cost_results, policy_seconds
from worker.checks.result import Outcome
from worker.policies.compiled import CompiledPolicy, CompileOptions, compile_policies

FILE = """
tenants:
  few: {tasks: {q: {mode: multi, labels: [a, b]}}}
  many: {tasks: {q: {mode: multi, labels: [a, b, c, d, e, f, g, h]}, r: {mode: multi, labels: [x, y, z]}}}
  more: {tasks: {q: {mode: multi, labels: [a, b, c]}}}
  some: {latency_budget_seconds: 0.001, tasks: {q: {mode: multi, labels: [a, b, c, d]}}}
"""


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(write_tiny_checkpoint(tmp_path_factory.mktemp("costs") / "model"), dtype="float32")


@pytest.fixture(scope="module")
def policies(scorer: Scorer) -> dict[str, CompiledPolicy]:
    return compile_policies(policy_file(FILE), scorer, CompileOptions()).by_name()


def test_more_labels_and_tasks_cost_more(scorer: Scorer, policies: dict[str, CompiledPolicy]) -> None:
    seconds = {name: policy_seconds(policy, scorer, cost_model()) for name, policy in policies.items()}
    assert seconds["few"] < seconds["more"] < seconds["some"] < seconds["many"]


def test_the_dearest_policies_are_named_first_and_the_cheapest_last(
    scorer: Scorer, policies: dict[str, CompiledPolicy]
) -> None:
    costs, warning = cost_results(policies.values(), scorer, cost_model())
    assert costs.outcome is Outcome.OK
    shown = costs.detail.partition("device: ")[2].replace("… ", "").split(", ")
    assert [part.split()[0] for part in shown] == ["many", "some", "more", "few"]
    assert warning.outcome is Outcome.WARNING
    assert warning.detail.startswith("tenants.some.latency_budget_seconds: is 0.001 s")
