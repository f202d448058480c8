import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.training.datasets import LabelledText
from model.training.starter.tasks import TEXTS_PER_TASK, TaskSampler
from model.training.starter.views import View

ROWS = {
    "one": [LabelledText(str(number), (label,)) for number, label in enumerate("abc" * 6)],
    "two": [LabelledText(str(number), (label,)) for number, label in enumerate("xy" * 5)],
}
# A row's vector is its number, so that a task says which rows it drew.
VECTORS = {name: torch.arange(len(rows), dtype=torch.float32)[:, None] for name, rows in ROWS.items()}
VIEWS = [
    View("one", "one", "first", (("a",), ("b",), ("c",)), (("a", "b", "c"),)),
    View("two", "two", "second", (("x",), ("y",)), (("x", "y"), ("ex", "why"))),
]


@given(st.integers(0, 10**9))
def test_targets_say_which_label_is_true_of_the_drawn_row(seed: int) -> None:
    sampler = TaskSampler(VIEWS[:1], {"one": ROWS["one"]}, VECTORS, templates=("{}",))
    for task in sampler.draw(random.Random(seed), 4):
        assert task.targets.shape == (TEXTS_PER_TASK, len(task.labels))
        for vector, targets in zip(task.texts, task.targets, strict=True):
            (truth,) = ROWS["one"][int(vector)].labels
            for label, target in zip(task.labels, targets.tolist(), strict=True):
                expected = label != f"not {truth}" and (label == truth or label.startswith("not "))
                assert target == float(expected)


@given(st.integers(0, 10**9))
def test_labels_of_other_families_are_false(seed: int) -> None:
    sampler = TaskSampler(VIEWS, ROWS, VECTORS, templates=("{}",))
    for task in sampler.draw(random.Random(seed), 4):
        own = {"a", "b", "c"} if {"a", "b", "c"} & {label.removeprefix("not ") for label in task.labels[:2]} else None
        for column, label in enumerate(task.labels):
            if own and label not in own and not label.startswith("not "):
                assert not task.targets[:, column].any()
        assert len({label.lower() for label in task.labels}) == len(task.labels)


@given(st.integers(0, 10**9))
def test_the_same_generator_draws_the_same_tasks(seed: int) -> None:
    sampler = TaskSampler(VIEWS, ROWS, VECTORS)
    first, second = (sampler.draw(random.Random(seed), 3) for _ in range(2))
    assert [task.labels for task in first] == [task.labels for task in second]
    assert all(torch.equal(a.texts, b.texts) for a, b in zip(first, second, strict=True))


def test_a_seldom_class_is_drawn_for_fewer_texts_than_the_others() -> None:
    view = replace(VIEWS[0], seldom=2)
    sampler = TaskSampler([view], {"one": ROWS["one"]}, VECTORS, templates=("{}",))
    drawn = Counter(
        ROWS["one"][int(vector)].labels[0]
        for seed in range(60)
        for task in sampler.draw(random.Random(seed), 1)
        if len(task.labels) == 3
        for vector in task.texts
    )
    assert 0 < drawn["c"] < 0.5 * min(drawn["a"], drawn["b"])


@pytest.mark.parametrize("most", [2, 3])
def test_no_task_offers_more_of_its_own_labels_than_asked(most: int) -> None:
    sampler = TaskSampler(VIEWS[:1], {"one": ROWS["one"]}, VECTORS, templates=("{}",), most_labels=most)
    counts = {len(task.labels) for seed in range(60) for task in sampler.draw(random.Random(seed), 1)}
    assert max(counts) == most
