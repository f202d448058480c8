import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    Augmenter,
    with_in_batch_negatives,
    with_negatives,
)
from model.training.data import LabelKnowledge, TrainingExample
from model.training.errors import DataError

EXAMPLES = [
    TrainingExample("t1", ("a", "b", "c"), (1.0, 0.0, 0.0)),
    TrainingExample("t2", ("a", "b", "c"), (1.0, 1.0, 0.0)),
    TrainingExample("t3", ("d", "e"), (0.0, 1.0)),
]
KNOWLEDGE = {
    "a": LabelKnowledge(descriptions=("first letter",), synonyms=("alpha",)),
    "b": LabelKnowledge(synonyms=("beta", "c")),
}
ORIGIN = {"alpha": "a", "beta": "b"}
ALWAYS = Augmentation(1, 1, 1, 1, 1, 1)


@given(st.integers(0, 2**32), st.sampled_from(EXAMPLES))
def test_whatever_happens_a_true_label_stays_true_and_a_false_one_false(seed: int, example: TrainingExample) -> None:
    truth = dict(zip(example.labels, example.targets, strict=True))
    changed = Augmenter(ALWAYS, EXAMPLES, KNOWLEDGE)(example, random.Random(seed))
    assert len(set(changed.labels)) == len(changed.labels) == len(changed.targets)
    assert changed.descriptions == () or len(changed.descriptions) == len(changed.labels)
    for label, target in zip(changed.labels, changed.targets, strict=True):
        origin = label if label in truth else ORIGIN.get(label, label)
        assert target == truth.get(origin, 0.0)
    assert any(changed.targets)


@given(st.integers(0, 2**32))
def test_the_same_generator_gives_the_same_change(seed: int) -> None:
    augmenter = Augmenter(ALWAYS, EXAMPLES, KNOWLEDGE)
    assert augmenter(EXAMPLES[1], random.Random(seed)) == augmenter(EXAMPLES[1], random.Random(seed))


def test_without_chances_nothing_changes() -> None:
    assert Augmenter(NO_AUGMENTATION, EXAMPLES, KNOWLEDGE)(EXAMPLES[0], random.Random(0)) is EXAMPLES[0]


def test_added_labels_come_from_other_examples_and_are_false() -> None:
    augmenter = Augmenter(Augmentation(0, 1, 0, 0, 0, 0), EXAMPLES)
    changed = augmenter(EXAMPLES[0], random.Random(0))
    added = set(changed.labels) - {"a", "b", "c"}
    assert added
    assert added <= {"d", "e"}
    assert changed.targets[3:] == (0.0,) * len(added)


def test_shots_are_other_texts_that_share_a_true_label() -> None:
    changed = Augmenter(Augmentation(0, 0, 0, 0, 1, 0), EXAMPLES)(EXAMPLES[0], random.Random(0))
    assert [(shot.text, shot.labels) for shot in changed.examples] == [("t2", ("a", "b"))]


def test_a_text_nobody_shares_a_label_with_gets_no_shot() -> None:
    assert Augmenter(Augmentation(0, 0, 0, 0, 1, 0), EXAMPLES)(EXAMPLES[2], random.Random(0)).examples == ()


def test_descriptions_are_shown_beside_the_label() -> None:
    augmenter = Augmenter(Augmentation(0, 0, 0, 1, 0, 0), EXAMPLES, KNOWLEDGE)
    shown = {augmenter(EXAMPLES[0], random.Random(seed)).label_set.shown_labels[0] for seed in range(20)}
    assert shown == {"a", "a: first letter"}


def test_a_synonym_that_is_already_a_label_is_not_used() -> None:
    augmenter = Augmenter(Augmentation(0, 0, 1, 0, 0, 0), EXAMPLES, KNOWLEDGE)
    names = {augmenter(EXAMPLES[0], random.Random(seed)).labels[1] for seed in range(40)}
    assert names == {"b", "beta"}


def test_negatives_leave_out_what_the_example_has() -> None:
    assert with_negatives(EXAMPLES[2], ["e", "f", "f"]).labels == ("d", "e", "f")


def test_in_batch_negatives_are_true_labels_of_the_others() -> None:
    first, _, third = with_in_batch_negatives(EXAMPLES, 8, random.Random(0))
    assert set(first.labels) == {"a", "b", "c", "e"}
    assert set(third.labels) == {"d", "e", "a", "b"}


def test_a_chance_above_one_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"augmentation\.removal"):
        Augmentation(removal=1.5)
