"""Zero-shot tasks drawn from labelled sets: which labels to offer, how to word them, which texts to ask about."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.training.datasets import LabelledText
from model.training.starter.synonyms import synonyms
from model.training.starter.views import FAMILY, KIND_OF_TEXT, View

TEMPLATES = (
    "{}", "{}", "{}", "{}", "{}", "{}",
    "This text is about {}.", "The topic is {}.", "This example is {}.", "category: {}", "The intent is {}.",
    "It expresses {}.", "a text labelled {}",
)  # fmt: skip
TEXTS_PER_TASK = 32
MOST_LABELS = 24
NEGATION_SHARE = 0.06
FOREIGN_SHARE = 0.5
MOST_FOREIGN = 8
SYNONYM_SHARE = 0.5
KIND_SHARE = 0.15
SELDOM_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class SampledTask:
    """Texts and the label strings to score them under.

    Attributes:
        texts: raw text vectors [texts, H].
        labels: label strings as the tower sees them.
        targets: float32 [texts, labels], 1 where the label is true.
    """

    texts: Tensor
    labels: tuple[str, ...]
    targets: Tensor


@dataclass(frozen=True, slots=True)
class _IndexedView:
    view: View
    members: tuple[frozenset[int], ...]  # rows of each class
    rows: tuple[tuple[int, ...], ...]  # the same, ordered


class TaskSampler:
    """Draws tasks; everything random comes from the generator of the call, so a step can be drawn again."""

    def __init__(
        self,
        views: Sequence[View],
        rows: Mapping[str, Sequence[LabelledText]],
        vectors: Mapping[str, Tensor],
        *,
        templates: Sequence[str] = TEMPLATES,
        most_labels: int = MOST_LABELS,
    ) -> None:
        """`rows` and raw `vectors` [rows, H] by set name."""
        self._templates = templates
        self._most_labels = most_labels
        self._vectors = vectors
        self._views = [indexed for view in views if (indexed := _index(view, rows[view.dataset])) is not None]
        self._kinds = {name: KIND_OF_TEXT[name] for name in rows if name in KIND_OF_TEXT}

    def draw(self, generator: random.Random, tasks: int) -> list[SampledTask]:
        """One step's tasks."""
        drawn = [
            self._view_task(generator, indexed)
            for indexed in generator.choices(self._views, [indexed.view.weight for indexed in self._views], k=tasks)
        ]
        if len(self._kinds) > 1 and generator.random() < KIND_SHARE:
            drawn.append(self._kind_task(generator))
        return drawn

    def _view_task(self, generator: random.Random, indexed: _IndexedView) -> SampledTask:
        usable = [index for index, rows in enumerate(indexed.rows) if rows]
        wording = generator.choice(indexed.view.wordings)
        if generator.random() < NEGATION_SHARE:
            return self._negation_task(generator, indexed, wording, usable)
        most = min(self._most_labels, len(usable))
        count = min(most, max(2, round(math.exp(generator.uniform(math.log(2), math.log(most + 0.5))))))
        chosen = generator.sample(usable, count)
        rows = [generator.choice(indexed.rows[index]) for index in _classes(generator, chosen, indexed.view.seldom)]
        labels = [_reword(generator, wording[index]) for index in chosen]
        labels += self._foreign_labels(generator, indexed.view.family, labels)
        targets = torch.zeros(len(rows), len(labels))
        for column, index in enumerate(chosen):
            targets[:, column] = torch.tensor([float(row in indexed.members[index]) for row in rows])
        template = generator.choice(self._templates)
        return SampledTask(
            self._vectors[indexed.view.dataset][rows], tuple(template.format(label) for label in labels), targets
        )

    def _negation_task(
        self, generator: random.Random, indexed: _IndexedView, wording: Sequence[str], usable: Sequence[int]
    ) -> SampledTask:
        positive = generator.choice(usable)
        others = [index for index in usable if index != positive]
        rows = []
        for index in range(TEXTS_PER_TASK):
            rows.append(generator.choice(indexed.rows[positive if index % 2 else generator.choice(others)]))
        label = _reword(generator, wording[positive])
        true = torch.tensor([float(row in indexed.members[positive]) for row in rows])
        template = generator.choice(self._templates)
        return SampledTask(
            self._vectors[indexed.view.dataset][rows],
            (template.format(label), template.format(f"not {label}")),
            torch.stack([true, 1 - true], dim=1),
        )

    def _foreign_labels(self, generator: random.Random, family: str, taken: Sequence[str]) -> list[str]:
        others = [indexed.view for indexed in self._views if indexed.view.family != family]
        if not others or generator.random() >= FOREIGN_SHARE:
            return []
        seen, labels = {label.lower() for label in taken}, []
        for _ in range(generator.randint(1, MOST_FOREIGN)):
            label = _reword(generator, generator.choice(generator.choice(generator.choice(others).wordings)))
            if label.lower() not in seen:
                seen.add(label.lower())
                labels.append(label)
        return labels

    def _kind_task(self, generator: random.Random) -> SampledTask:
        wanted, labels, kept = generator.randint(2, 6), list[str](), list[str]()
        for name in generator.sample(sorted(self._kinds), len(self._kinds)):
            if len(kept) < wanted and FAMILY.get(name, name) not in {FAMILY.get(other, other) for other in kept}:
                labels.append(generator.choice(self._kinds[name]))
                kept.append(name)
        texts, targets = [], torch.zeros(TEXTS_PER_TASK, len(labels))
        for index in range(TEXTS_PER_TASK):
            column = index % len(kept)
            vectors = self._vectors[kept[column]]
            texts.append(vectors[generator.randrange(len(vectors))])
            targets[index, column] = 1.0
        template = generator.choice(self._templates)
        return SampledTask(torch.stack(texts), tuple(template.format(label) for label in labels), targets)


def _classes(generator: random.Random, chosen: Sequence[int], seldom: int | None) -> list[int]:
    """The class of each text: all alike, but most turns of the seldom one go to the others."""
    count = len(chosen)
    turns = generator.sample(range(max(TEXTS_PER_TASK, count)), TEXTS_PER_TASK)
    classes = [chosen[turn % count] for turn in turns]
    if seldom not in chosen:
        return classes
    others = [index for index in chosen if index != seldom]
    return [
        generator.choice(others) if index == seldom and generator.random() >= SELDOM_SHARE else index
        for index in classes
    ]


def _reword(generator: random.Random, label: str) -> str:
    names = synonyms().get(label, ())
    return generator.choice(names) if names and generator.random() < SYNONYM_SHARE else label


def _index(view: View, rows: Sequence[LabelledText]) -> _IndexedView | None:
    classes = [frozenset(labels) for labels in view.classes]
    members: list[list[int]] = [[] for _ in classes]
    for number, row in enumerate(rows):
        hits = [index for index, labels in enumerate(classes) if labels.intersection(row.labels)]
        if view.exclusive and len(hits) != 1:
            continue
        for index in hits:
            members[index].append(number)
    if sum(1 for rows_of_class in members if rows_of_class) < 2:
        return None
    return _IndexedView(view, tuple(frozenset(part) for part in members), tuple(tuple(part) for part in members))
