"""Rows of a labelled set as training examples, all of them or a few of each label."""

import random
from collections import defaultdict
from collections.abc import Sequence

from model.training.data import TrainingExample
from model.training.datasets import Dataset, LabelledText


def examples_of(dataset: Dataset, rows: Sequence[LabelledText]) -> list[TrainingExample]:
    """The rows under all labels of their set, in the same order."""
    return [
        TrainingExample(row.text, dataset.labels, tuple(float(label in row.labels) for label in dataset.labels))
        for row in rows
    ]


def choose_shots(dataset: Dataset, shots: int, seed: int) -> list[LabelledText]:
    """Rows, shuffled, until each label has `shots` of them or no more are left."""
    order = list(dataset.train)
    random.Random(seed).shuffle(order)
    taken: dict[str, int] = defaultdict(int)
    chosen = []
    for row in order:
        wanted = [label for label in row.labels if label in dataset.labels and taken[label] < shots]
        if wanted:
            chosen.append(row)
            for label in row.labels:
                taken[label] += 1
    return chosen
