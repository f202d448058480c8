"""Random changes to training examples that keep what is true true.

Every change has its own probability and draws from the generator it is given, so a run can be repeated. Labels and
targets always move together: a renamed true label stays true.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from model.label_set import Example
from model.training.data import LabelKnowledge, TrainingExample
from model.training.errors import DataError

MOST_SHOTS = 2


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Probability of each change, per example.

    Attributes:
        removal: keep only some of the labels, at least one, and a true one where there is one.
        addition: add labels of other examples as false ones.
        synonyms: rename labels (each with probability one half) by their synonyms.
        descriptions: show labels (each with probability one half) with a description.
        shots: show one or two other examples that share a true label.
        shuffle: change the order of the labels.
    """

    removal: float = 0.05
    addition: float = 0.05
    synonyms: float = 0.05
    descriptions: float = 0.05
    shots: float = 0.05
    shuffle: float = 1.0

    def __post_init__(self) -> None:
        for name in ("removal", "addition", "synonyms", "descriptions", "shots", "shuffle"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise DataError(f"augmentation.{name} is a probability; {value!r} is not between 0 and 1")


NO_AUGMENTATION = Augmentation(0, 0, 0, 0, 0, 0)


class Augmenter:
    """Applies an `Augmentation`, with what it needs of the whole training set."""

    def __init__(
        self,
        augmentation: Augmentation,
        examples: Sequence[TrainingExample],
        knowledge: Mapping[str, LabelKnowledge] | None = None,
    ) -> None:
        self._augmentation = augmentation
        self._knowledge = knowledge or {}
        self._labels = tuple(dict.fromkeys(label for example in examples for label in example.labels))
        self._by_label: dict[str, list[TrainingExample]] = defaultdict(list)
        for example in examples:
            for label in example.true_labels:
                self._by_label[label].append(example)

    def __call__(self, example: TrainingExample, generator: random.Random) -> TrainingExample:
        """A changed copy; the example itself where no change was drawn."""
        chances = self._augmentation
        # A label removed below must not come back as a false one.
        told = frozenset(example.labels)
        # Drawn up front: a change that does nothing must not shift the numbers of the next one.
        draws = {name: generator.random() for name in Augmentation.__slots__}
        if draws["shots"] < chances.shots:
            example = self._with_shots(example, generator)
        if draws["removal"] < chances.removal:
            example = _with_fewer_labels(example, generator)
        if draws["addition"] < chances.addition:
            example = self._with_more_labels(example, told, generator)
        if draws["synonyms"] < chances.synonyms:
            example = self._with_synonyms(example, told, generator)
        if draws["descriptions"] < chances.descriptions:
            example = self._with_descriptions(example, generator)
        if draws["shuffle"] < chances.shuffle:
            order = list(range(len(example.labels)))
            generator.shuffle(order)
            example = _select(example, order)
        return example

    def _with_shots(self, example: TrainingExample, generator: random.Random) -> TrainingExample:
        true = [label for label in example.true_labels if len(self._by_label[label]) > 1]
        if not true:
            return example
        others = [other for other in self._by_label[generator.choice(true)] if other.text != example.text]
        if not others:
            return example
        shots = generator.sample(others, min(len(others), generator.randint(1, MOST_SHOTS)))
        added = tuple(Example(shot.text, shot.true_labels) for shot in shots)
        return replace(example, examples=example.examples + added)

    def _with_more_labels(
        self, example: TrainingExample, told: frozenset[str], generator: random.Random
    ) -> TrainingExample:
        taken = told.union(example.labels)
        others = [label for label in self._labels if label not in taken]
        if not others:
            return example
        return with_negatives(example, generator.sample(others, min(len(others), generator.randint(1, len(taken) + 1))))

    def _with_synonyms(
        self, example: TrainingExample, told: frozenset[str], generator: random.Random
    ) -> TrainingExample:
        taken, names = {*told, *example.labels}, []
        for label in example.labels:
            synonyms = [name for name in self._knowledge.get(label, LabelKnowledge()).synonyms if name not in taken]
            name = generator.choice(synonyms) if synonyms and generator.random() < 0.5 else label
            taken.add(name)
            names.append(name)
        renamed = dict(zip(example.labels, names, strict=True))
        shots = tuple(
            Example(shot.text, tuple(renamed.get(label, label) for label in shot.labels)) for shot in example.examples
        )
        return replace(example, labels=tuple(names), examples=shots)

    def _with_descriptions(self, example: TrainingExample, generator: random.Random) -> TrainingExample:
        given = example.descriptions or (None,) * len(example.labels)
        drawn = []
        for label, description in zip(example.labels, given, strict=True):
            known = self._knowledge.get(label, LabelKnowledge()).descriptions
            drawn.append(generator.choice(known) if known and generator.random() < 0.5 else description)
        return replace(example, descriptions=tuple(drawn)) if any(drawn) else example


def with_negatives(example: TrainingExample, labels: Sequence[str]) -> TrainingExample:
    """The example with more labels, all of them false. Labels it has already are left out."""
    added = tuple(label for label in dict.fromkeys(labels) if label not in example.labels)
    return replace(
        example,
        labels=example.labels + added,
        targets=example.targets + (0.0,) * len(added),
        descriptions=example.descriptions + (None,) * len(added) if example.descriptions else (),
    )


def with_in_batch_negatives(
    batch: Sequence[TrainingExample], most: int, generator: random.Random
) -> list[TrainingExample]:
    """Give each example up to `most` true labels of the batch's other examples as false ones."""
    pool = list(dict.fromkeys(label for example in batch for label in example.true_labels))
    changed = []
    for example in batch:
        others = [label for label in pool if label not in example.labels]
        changed.append(with_negatives(example, generator.sample(others, min(most, len(others)))))
    return changed


def _with_fewer_labels(example: TrainingExample, generator: random.Random) -> TrainingExample:
    kept = set(generator.sample(range(len(example.labels)), generator.randint(1, len(example.labels))))
    true = [index for index, target in enumerate(example.targets) if target >= 0.5]
    if true and kept.isdisjoint(true):
        kept.add(generator.choice(true))
    return _select(example, sorted(kept))


def _select(example: TrainingExample, order: Sequence[int]) -> TrainingExample:
    return replace(
        example,
        labels=tuple(example.labels[index] for index in order),
        targets=tuple(example.targets[index] for index in order),
        descriptions=tuple(example.descriptions[index] for index in order) if example.descriptions else (),
    )
