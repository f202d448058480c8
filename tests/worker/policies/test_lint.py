from pathlib import Path

import pytest
from support.batching import FIXED_SECONDS, SECONDS_PER_TOKEN, cost_model
from support.policies import policy_file
from support.tiny_checkpoint import write_tiny_checkpoint

from model.scorer import Scorer
from worker.policies.compiled import CompileOptions, compile_policies
from worker.policies.lint import lint_budgets, lint_label_sets, lint_policies


def findings(task: str, more: str = "") -> list[str]:
    file = policy_file(f"tenants: {{acme: {{tasks: {{topic: {task}}}{more}}}}}")
    return [f"{finding.path}: {finding.message}" for finding in lint_policies(file)]


def test_a_plain_policy_has_no_findings() -> None:
    assert findings("{mode: single, labels: [a, b], prompt: 'Sort: '}") == []


@pytest.mark.parametrize(
    ("task", "finding"),
    [
        ("{mode: multi, labels: [a], prompt: 'Sort:'}", "prompt: is glued to the first word of the text"),
        ("{mode: multi, labels: [Spam, spam]}", "labels: 'Spam' and 'spam' differ in case alone"),
        ("{mode: multi, labels: {a: about a, b: }}", "labels: 'b' has no description while others have"),
        ("{mode: single, labels: [a]}", "mode: single with one label scores it 1 always"),
        ("{mode: multi, labels: [a, b], thresholds: {b: 0}}", "threshold: is 0 for 'b', which is then always chosen"),
        ("{mode: multi, labels: [a], threshold: 1}", "threshold: is 1 for 'a', which is then hardly ever chosen"),
    ],
)
def test_what_is_probably_not_meant_is_found(task: str, finding: str) -> None:
    (found,) = findings(task)
    assert found.startswith(f"tenants.acme.tasks.topic.{finding}")


def test_a_route_that_adds_nothing_is_found() -> None:
    routes = ", routes: [{task: topic, label: '*', topic: t}, {task: topic, label: a, topic: t}]"
    (found,) = findings("{mode: multi, labels: [a]}", routes)
    assert found == "tenants.acme.routes.1: an earlier route already says so: remove one"


def test_the_default_policy_is_read_too() -> None:
    file = policy_file("{unknown_tenant: default, default: {tasks: {x: {mode: single, labels: [a]}}}}")
    assert [finding.path for finding in lint_policies(file)] == ["default.tasks.x.mode"]


def test_a_budget_below_what_one_message_costs_is_found(scorer: Scorer) -> None:
    file = policy_file(
        """
        unknown_tenant: default
        tenants:
          hasty: {latency_budget_seconds: 0.001, tasks: {topic: {mode: multi, labels: [a, b]}}}
          patient: {latency_budget_seconds: 1, tasks: {topic: {mode: multi, labels: [a, b]}}}
        default: {latency_budget_seconds: 0.004, tasks: {topic: {mode: multi, labels: [a]}}}
        """
    )
    hasty, default = lint_budgets(compile_policies(file, scorer, CompileOptions()).by_name().values(), cost_model())
    assert hasty.path == "tenants.hasty.latency_budget_seconds"
    assert hasty.message.startswith("is 0.001 s, and one message takes this device 0.005")
    assert default.path == "default.latency_budget_seconds"


def test_a_budget_that_the_labels_alone_exceed_is_found(scorer: Scorer) -> None:
    labels = ", ".join(f"a rather long label {number}" for number in range(20))
    budget_seconds = FIXED_SECONDS + 100 * SECONDS_PER_TOKEN
    tasks = f"{{t: {{mode: multi, labels: [{labels}]}}}}"
    file = policy_file(f"tenants: {{acme: {{latency_budget_seconds: {budget_seconds}, tasks: {tasks}}}}}")
    assert len(lint_budgets(compile_policies(file, scorer, CompileOptions()).by_name().values(), cost_model())) == 1


def test_what_the_model_does_not_read_is_found_with_its_path(scorer: Scorer) -> None:
    file = policy_file(
        """
        unknown_tenant: default
        tenants:
          acme: {tasks: {topic: {mode: multi, labels: [a, b ☃], prompt: "☃ "}}}
        default: {tasks: {topic: {mode: multi, labels: [a], examples: [{text: ☃, labels: [a]}]}}}
        """
    )
    compiled = compile_policies(file, scorer, CompileOptions())
    assert [finding.path for finding in lint_label_sets(compiled.by_name().values())] == [
        "tenants.acme.tasks.topic.labels[1]",
        "tenants.acme.tasks.topic.prompt",
        "default.tasks.topic.examples[0].text",
    ]


def test_examples_on_a_bi_encoder_are_found(tmp_path: Path) -> None:
    model = Scorer.load(write_tiny_checkpoint(tmp_path, architecture="bi-encoder"), device="cpu", dtype="float32")
    task = "{mode: multi, labels: [letters, words], examples: [{text: abc, labels: [letters]}]}"
    compiled = compile_policies(
        policy_file(f"tenants: {{acme: {{tasks: {{topic: {task}}}}}}}"), model, CompileOptions()
    )
    examples = [finding for finding in lint_label_sets(compiled.by_name().values()) if "examples" in finding.path]
    assert [finding.path for finding in examples] == ["tenants.acme.tasks.topic.examples"]
    assert examples[0].message.startswith("have no effect")
