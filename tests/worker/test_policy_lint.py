import pytest
from support.policies import policy_file

from worker.policy_lint import lint_policies


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
