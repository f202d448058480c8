import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.policies import NoModel

from schemas.policy import Calibration, PolicyFile
from schemas.records import TaskResult
from worker.content.decision import DecisionError, decide, probabilities
from worker.policies.compiled import CompiledPolicy, CompileOptions, compile_policies

finite = st.floats(-80, 80, width=32)
logit_arrays = hnp.arrays(np.float32, st.integers(1, 12), elements=finite)


def policy(task: dict[str, Any]) -> CompiledPolicy:
    file = PolicyFile.model_validate({"tenants": {"acme": {"tasks": {"topic": task}}}})
    return compile_policies(file, NoModel(), CompileOptions()).tenants["acme"]


def decided(logits: Any, **task: Any) -> TaskResult:
    array = np.asarray(logits, dtype=np.float32)
    written = {"labels": [f"l{index}" for index in range(array.size)], "mode": "multi", **task}
    return decide(policy(written), [array])["topic"]


def chosen(result: TaskResult) -> dict[str, float]:
    return {label.label: label.score for label in result.labels}


def test_multi_chooses_every_label_that_reaches_the_threshold_best_first() -> None:
    result = decided([0.0, 2.0, -1.0, 1.0])
    assert list(chosen(result).items()) == [("l1", 0.8808), ("l3", 0.7311), ("l0", 0.5)]
    assert not result.none


def test_each_label_may_have_its_own_threshold() -> None:
    assert list(chosen(decided([0.0, 0.0], thresholds={"l0": 0.6}))) == ["l1"]


def test_single_chooses_the_best_label_alone_by_softmax() -> None:
    result = decided([1.0, 2.0, 0.0], mode="single")
    assert chosen(result) == {"l1": 0.6652}


def test_single_says_none_when_the_best_label_misses_its_threshold() -> None:
    result = decided([0.0, 0.1, 0.0], mode="single", threshold=0.5, scores="all")
    assert (result.labels, result.none) == ([], True)
    assert result.scores is not None
    assert result.scores["l1"] == 0.3559


def test_single_without_a_threshold_never_says_none() -> None:
    assert not decided([0.0] * 12, mode="single").none


def test_multi_says_none_when_no_label_reaches_its_threshold() -> None:
    assert decided([-1.0, -2.0]).none


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_of_equal_scores_the_first_label_comes_first(mode: str) -> None:
    assert next(iter(chosen(decided([0.5, 0.5, 0.5], mode=mode)))) == "l0"


def test_a_score_counts_as_it_is_published() -> None:
    exactly = math.log(0.69996 / 0.30004)  # published as 0.7
    assert chosen(decided([exactly], threshold=0.7)) == {"l0": 0.7}


def test_all_scores_of_a_hierarchy_are_nested_as_it_is() -> None:
    labels = {"billing": ["refund", "invoice"], "technical": {"network": {"vpn": None}}}
    result = decided([0.0, 2.0, -2.0], labels=labels, scores="all")
    assert result.scores == {"billing": {"refund": 0.5, "invoice": 0.8808}, "technical": {"network": {"vpn": 0.1192}}}
    assert chosen(result) == {"billing.invoice": 0.8808, "billing.refund": 0.5}


def test_scores_are_published_only_where_asked_for() -> None:
    assert decided([0.0]).scores is None


def test_calibration_cools_and_shifts() -> None:
    assert chosen(decided([2.0], calibration={"temperature": 2.0})) == {"l0": 0.7311}
    assert chosen(decided([2.0], threshold=0, calibration={"bias": -2.0})) == {"l0": 0.5}
    assert chosen(decided([2.0, 0.0], mode="single", calibration={"temperature": 2.0})) == {"l0": 0.7311}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["single", "multi"])
def test_logits_that_are_no_numbers_are_an_error(bad: float, mode: str) -> None:
    with pytest.raises(DecisionError, match="task topic: the model's logits are not all finite"):
        decided([0.0, bad], mode=mode)


def test_missing_logits_are_an_error() -> None:
    compiled = policy({"mode": "multi", "labels": ["a", "b"]})
    with pytest.raises(DecisionError, match="answered 0 tasks of 1"):
        decide(compiled, [])
    with pytest.raises(DecisionError, match="for 2 labels"):
        decide(compiled, [np.zeros(3, np.float32)])


@given(logit_arrays, st.sampled_from(["single", "multi"]), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_chooses_more(logits: np.ndarray, mode: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    more, fewer = (chosen(decided(logits, mode=mode, threshold=threshold)) for threshold in (low, high))
    assert fewer.items() <= more.items()


@given(logit_arrays, st.sampled_from(["single", "multi"]), st.floats(0, 1))
def test_what_is_chosen_reaches_its_threshold_and_none_means_nothing_was(
    logits: np.ndarray, mode: str, threshold: float
) -> None:
    result = decided(logits, mode=mode, threshold=threshold)
    scores = [label.score for label in result.labels]
    assert all(threshold <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    assert result.none == (not scores)
    assert mode == "multi" or len(scores) <= 1


@given(st.lists(finite, min_size=1, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_the_labels_does_not_change_multi_scores(logits: list[float], random: Any) -> None:
    order = list(range(len(logits)))
    random.shuffle(order)
    names = [f"l{index}" for index in range(len(logits))]
    straight = decided(logits, labels=names)
    shuffled = decided([logits[index] for index in order], labels=[names[index] for index in order])
    assert chosen(straight) == chosen(shuffled)


@given(logit_arrays, st.floats(0.1, 10), st.floats(-5, 5))
def test_probabilities_are_probabilities(logits: np.ndarray, temperature: float, bias: float) -> None:
    single = probabilities(logits.tolist(), "single", Calibration(temperature=temperature))
    multi = probabilities(logits.tolist(), "multi", Calibration(temperature=temperature, bias=bias))
    assert sum(single) == pytest.approx(1, abs=1e-12)
    assert all(0 <= score <= 1 for score in (*single, *multi))


@given(logit_arrays)
def test_sigmoid_and_softmax_are_those_of_the_textbook(logits: np.ndarray) -> None:
    exact = [1 / (1 + math.exp(-value)) for value in logits.tolist()]
    assert probabilities(logits.tolist(), "multi", Calibration()) == pytest.approx(exact, abs=1e-14)
    total = sum(math.exp(value) for value in logits.tolist())
    softmax = [math.exp(value) / total for value in logits.tolist()]
    assert probabilities(logits.tolist(), "single", Calibration()) == pytest.approx(softmax, abs=1e-12)
