"""The whole recipe, from the base tower and the folders of labelled texts to a trained label tower."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertModel

from model.training.datasets import Dataset, LabelledText, find_datasets, read_dataset, shuffled
from model.training.starter.fit import Anchor, Report, distil_templates, train_on_tasks
from model.training.starter.label_tower import LabelTower, Space
from model.training.starter.synonyms import synonyms
from model.training.starter.tasks import TaskSampler
from model.training.starter.text_vectors import cached_text_vectors, encode_texts
from model.training.starter.views import views_of
from model.training.starter.written_texts import written_datasets

ROWS_PER_SET = 3000
TEXT_TOKENS = 64
TASK_STEPS = 900
KEPT_SHARE = 0.7
DISTILLATION_STEPS = 250
SPACE_TEXTS = 4000
WORD_COUNT = 4000
PAIR_COUNT = 2000


@dataclass(frozen=True, slots=True)
class Material:
    """Everything the recipe reads, already encoded.

    Attributes:
        rows: train rows by set name.
        vectors: raw text vectors [rows, H] by set name.
        datasets: the sets themselves.
    """

    rows: Mapping[str, Sequence[LabelledText]]
    vectors: Mapping[str, Tensor]
    datasets: tuple[Dataset, ...]


def read_material(
    folder: Path, cache: Path, base: Callable[[], BertModel], tokenizer: Tokenizer, report: Report
) -> Material:
    """Read the sets under `folder`, add the written ones, and encode their texts with the untouched tower."""
    datasets = [dataset for path in find_datasets(folder) if (dataset := read_dataset(path)).train]
    datasets += written_datasets()
    tower = base().eval()
    rows, vectors = {}, {}
    for dataset in datasets:
        rows[dataset.name] = shuffled(dataset.train, ROWS_PER_SET)
        vectors[dataset.name] = cached_text_vectors(
            cache, tower, tokenizer, f"{dataset.name}-train", [row.text for row in rows[dataset.name]],
            max_tokens=TEXT_TOKENS,
        )  # fmt: skip
        report(f"{dataset.name}: {len(rows[dataset.name])} texts")
    return Material(rows, vectors, tuple(datasets))


def build_tower(
    material: Material, base: Callable[[], BertModel], tokenizer: Tokenizer, seed: int
) -> tuple[LabelTower, Anchor]:
    """The label tower at its start, and the anchor words with their vectors there; the seed only draws LoRA factors."""
    generator = random.Random("space")
    words = vocabulary_words(tokenizer)
    sampled = generator.sample(words, min(WORD_COUNT, len(words)))
    pairs = [f"{generator.choice(words)} {generator.choice(words)}" for _ in range(PAIR_COUNT)]
    texts = torch.cat(list(material.vectors.values()))
    texts = texts[generator.sample(range(len(texts)), min(SPACE_TEXTS, len(texts)))]
    word_vectors = encode_texts(base().eval(), tokenizer, [*sampled, *pairs], max_tokens=TEXT_TOKENS)
    space = Space.fit(texts, word_vectors[: len(sampled)])
    torch.manual_seed(seed)
    tower = LabelTower(base(), tokenizer, space)
    with torch.inference_mode():
        start = torch.nn.functional.normalize(tower.head(word_vectors / space.norm), dim=-1).clone()
    return tower, Anchor((*sampled, *pairs), start)


def train(
    tower: LabelTower,
    anchor: Anchor,
    material: Material,
    *,
    seed: int,
    out: Path,
    report: Report,
    task_steps: int = TASK_STEPS,
    kept_share: float = KEPT_SHARE,
    distillation_steps: int = DISTILLATION_STEPS,
) -> None:
    """Both stages, in place. Checkpoints under `out`; a run that was stopped goes on where it was."""
    sampler = TaskSampler(views_of(material.datasets), material.rows, material.vectors)
    train_on_tasks(
        tower, sampler, anchor, steps=task_steps, seed=seed, checkpoint=out / "tasks.safetensors", report=report
    )
    tower.interpolate(kept_share)
    strings = distillation_strings(material, anchor)
    distil_templates(
        tower, strings, steps=distillation_steps, seed=seed, checkpoint=out / "distilled.safetensors", report=report
    )


def vocabulary_words(tokenizer: Tokenizer) -> list[str]:
    """Whole lower-case words of the tokenizer's vocabulary, most frequent first."""
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [token for token, _ in tokens if token.isascii() and token.isalpha() and len(token) >= 3]
    return words[:8000]


def distillation_strings(material: Material, anchor: Anchor) -> list[str]:
    """Short strings a label could be: words, pairs, label names in all wordings, pieces of training texts."""
    generator = random.Random("distillation")
    forms: dict[str, None] = {}
    for view in views_of(material.datasets):
        for wording in view.wordings:
            for label in wording:
                forms.update(dict.fromkeys((label, *synonyms().get(label, ()))))
    pieces = []
    for rows in material.rows.values():
        for row in generator.sample(list(rows), min(80, len(rows))):
            words = row.text.lower().split()
            length = generator.randint(1, 4)
            at = generator.randrange(max(1, len(words) - length + 1))
            pieces.append(" ".join(words[at : at + length])[:60])
    words = generator.sample(anchor.words, min(3000, len(anchor.words)))
    return [string for string in dict.fromkeys([*forms, *words, *pieces]) if string.strip()]
