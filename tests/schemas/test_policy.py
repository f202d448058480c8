from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from schemas.errors import error_lines
from schemas.policy import PolicyFile, Task

COMPLETE = """
unknown_tenant: default
default:
  tasks: {topic: {mode: single, labels: [news, other]}}
tenants:
  acme:
    latency_budget_seconds: 0.2
    weight: 2
    tasks:
      queue:
        mode: single
        labels: {billing: [refund, invoice], technical: [network]}
        threshold: 0.3
        prompt: "Route this ticket: "
        examples: [{text: my card was charged twice, labels: [billing.refund]}]
        scores: all
      abuse:
        mode: multi
        labels: {insult: attacks a person, threat: announces violence}
        thresholds: {threat: 0.2}
        calibration: {temperature: 1.5, bias: -0.5}
    routes:
      - {task: abuse, label: "*", topic: review}
      - {task: queue, label: billing.refund, topic: refunds}
    on_late: dead_letter
    long_text: {mode: windows, overlap_tokens: 32, pool: mean}
"""


def task(**changes: Any) -> dict[str, Any]:
    return {"mode": "multi", "labels": ["spam", "ham"], **changes}


def policy(**changes: Any) -> dict[str, Any]:
    return {"tasks": {"topic": task()}, **changes}


def lines_of(written: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        PolicyFile.model_validate(written)
    return error_lines(caught.value, PolicyFile)


def test_a_complete_policy_is_read() -> None:
    file = PolicyFile.model_validate(yaml.safe_load(COMPLETE))
    acme = file.tenants["acme"]
    assert acme.tasks["queue"].label_names == ("billing.refund", "billing.invoice", "technical.network")
    assert acme.tasks["queue"].leaves[0].path == ("billing", "refund")
    assert acme.long_text.mode == "windows"


def test_the_default_threshold_is_half_for_multi_and_none_for_single() -> None:
    multi = Task.model_validate(task())
    single = Task.model_validate(task(mode="single"))
    own = Task.model_validate(task(threshold=0.7, thresholds={"ham": 0.1}))
    assert (multi.threshold_of("spam"), single.threshold_of("spam")) == (0.5, 0.0)
    assert (own.threshold_of("spam"), own.threshold_of("ham")) == (0.7, 0.1)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), float("inf"), "0.5", True, None])
def test_a_threshold_outside_0_to_1_is_refused(threshold: object) -> None:
    (line,) = lines_of({"tenants": {"acme": {"tasks": {"topic": task(thresholds={"spam": threshold})}}}})
    assert line.startswith("tenants.acme.tasks.topic.thresholds.spam: Input should be")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"labels": "spam"}, "tenants.acme.tasks.topic.labels: is the string 'spam': write a list, [spam]"),
        ({"treshold": 0.5}, "tenants.acme.tasks.topic: unknown key 'treshold'; did you mean 'threshold'?"),
        (
            {"thresholds": {"spm": 0.5}},
            "tenants.acme.tasks.topic.thresholds: unknown label 'spm'; did you mean 'spam'?",
        ),
        (
            {"thresholds": {False: 0.5}},
            "tenants.acme.tasks.topic.thresholds: name False is not a string (YAML read it as bool): put it in quotes",
        ),
        ({"mode": "both"}, "tenants.acme.tasks.topic.mode: Input should be 'single' or 'multi'"),
        (
            {"examples": [{"text": "x", "labels": ["eggs"]}]},
            "tenants.acme.tasks.topic.examples.0.labels: unknown label 'eggs'; known: spam, ham",
        ),
        (
            {"examples": [{"text": "<<SEP>>", "labels": ["ham"]}]},
            "tenants.acme.tasks.topic.examples.0.text: "
            "the example's text contains the reserved marker <<SEP>>: remove it",
        ),
        (
            {"prompt": "a <<LABEL>> b"},
            "tenants.acme.tasks.topic.prompt: the prompt contains the reserved marker <<LABEL>>: remove it",
        ),
        (
            {"prompt": "\ud800"},
            "tenants.acme.tasks.topic.prompt: the prompt contains half of a surrogate pair: remove it",
        ),
        (
            {"mode": "single", "calibration": {"bias": 1.0}},
            "tenants.acme.tasks.topic.calibration.bias: "
            "has no effect in mode single, where a softmax cancels it: remove it",
        ),
    ],
)
def test_a_wrong_task_is_refused_by_its_place_and_with_the_fix(changes: dict[str, Any], line: str) -> None:
    assert lines_of({"tenants": {"acme": {"tasks": {"topic": task(**changes)}}}}) == [line]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"tasks": {}}, "tenants.acme.tasks: names no task; a policy needs at least one"),
        ({"tasks": []}, "tenants.acme.tasks: must be a mapping of keys to values"),
        ({"weight": 0.0}, "tenants.acme.weight: Input should be greater than 0"),
        ({"latency_budget_seconds": 0}, "tenants.acme.latency_budget_seconds: Input should be greater than 0"),
        (
            {"routes": [{"task": "topics", "label": "spam", "topic": "t"}]},
            "tenants.acme.routes.0.task: unknown task 'topics'; did you mean 'topic'?",
        ),
        (
            {"routes": [{"task": "topic", "label": "spam!", "topic": "t"}]},
            "tenants.acme.routes.0.label: unknown label 'spam!'; did you mean 'spam'?",
        ),
        (
            {"routes": [{"task": "topic", "label": "spam", "topic": "no spaces"}]},
            "tenants.acme.routes.0.topic: 'no spaces' is no Kafka topic name: "
            "use 1 to 249 of the characters A-Z a-z 0-9 . _ -",
        ),
        ({"on_late": "drop"}, "tenants.acme.on_late: Input should be 'score', 'unscored' or 'dead_letter'"),
        (
            {"long_text": {"mode": "truncate", "pool": "max"}},
            "tenants.acme.long_text.pool: only mode windows uses it; remove it or set mode: windows",
        ),
        (
            {"long_text": {"mode": "head_tail", "max_windows": 3}},
            "tenants.acme.long_text.max_windows: only mode windows uses it; remove it or set mode: windows",
        ),
        (
            {"long_text": {"mode": "windows", "max_windows": 0}},
            "tenants.acme.long_text.max_windows: Input should be greater than or equal to 1",
        ),
        (
            {"long_text": {"mode": "windows", "max_windows": 257}},
            "tenants.acme.long_text.max_windows: Input should be less than or equal to 256",
        ),
    ],
)
def test_a_wrong_policy_is_refused_by_its_place_and_with_the_fix(changes: dict[str, Any], line: str) -> None:
    assert lines_of({"tenants": {"acme": policy(**changes)}}) == [line]


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({}, "tenants: names no tenant; add one, or a default policy"),
        (None, "must be a mapping of keys to values"),
        ([], "must be a mapping of keys to values"),
        (
            {"unknown_tenant": "default", "tenants": {"a": policy()}},
            "default: is required when unknown_tenant is default",
        ),
        (
            {"default": policy(), "tenants": {"a": policy()}},
            "default: is never used while unknown_tenant is dead_letter; set unknown_tenant: default",
        ),
        (
            {"tenants": {False: policy()}},
            "tenants: name False is not a string (YAML read it as bool): put it in quotes",
        ),
        ({"tenants": {42: policy()}}, "tenants: name 42 is not a string (YAML read it as int): put it in quotes"),
        ({"tenant": {"a": policy()}}, "unknown key 'tenant'; did you mean 'tenants'?"),
    ],
)
def test_a_wrong_file_is_refused_with_the_fix(written: object, line: str) -> None:
    assert lines_of(written) == [line]


def test_all_mistakes_are_told_at_once() -> None:
    written = {"tenants": {"a": {"tasks": {"x": task(threshold=2)}}, "b": policy(weight=-1), "c": {}}}
    assert len(lines_of(written)) == 3


def test_the_json_schema_names_every_field() -> None:
    definitions = PolicyFile.model_json_schema()["$defs"]
    assert set(definitions["Task"]["properties"]) == set(Task.model_fields)
