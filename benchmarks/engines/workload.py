"""What is scored: texts of lognormal length under the label sets of four tenants, and what that costs in arithmetic."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from benchmarks.engines.models import INNER_WIDTH, LAYERS, WIDTH, WORDS, word
from model import EncodedText, LabelSet

LABEL_COUNTS = (4, 8, 12, 20)
MEDIAN_TOKENS, SPREAD, LONGEST_TOKENS = 46, 0.8, 400
WORDS_PER_LABEL = (1, 3)


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts in order of arrival, each with its tenant's label set."""

    texts: tuple[str, ...]
    label_sets: tuple[LabelSet, ...]

    @classmethod
    def draw(cls, texts: int, label_counts: Sequence[int] = LABEL_COUNTS, seed: int = 0) -> "Workload":
        """The same texts for the same seed, whatever the label counts."""
        generator = random.Random(seed)
        drawn = []
        for _ in range(texts):
            length = min(max(int(generator.lognormvariate(0, SPREAD) * MEDIAN_TOKENS), 3), LONGEST_TOKENS)
            drawn.append(_words(generator, length))
        tenants = cycle([_label_set(random.Random(f"{seed} {count}"), count) for count in label_counts])
        return cls(tuple(drawn), tuple(next(tenants) for _ in drawn))


def _label_set(generator: random.Random, count: int) -> LabelSet:
    labels: dict[str, None] = {}
    while len(labels) < count:
        labels[_words(generator, generator.randint(*WORDS_PER_LABEL))] = None
    return LabelSet(tuple(labels))


def _words(generator: random.Random, count: int) -> str:
    return " ".join(word(generator.randrange(WORDS)) for _ in range(count))


def encoder_operations(batch: Sequence[EncodedText]) -> int:
    """Floating-point operations of the matrix products that a BERT uni-encoder runs for a batch.

    A multiplication and an addition count as two. The last layer is counted as it is run: keys and values for every
    token, the rest for the rows that the head reads.
    """
    return sum(
        _operations(len(text_pass.token_ids), 1 + text_pass.label_sets[0].prompt.label_count)
        for encoded in batch
        for text_pass in encoded.passes
    )


def _operations(tokens: int, rows: int) -> int:
    def layer(asking: int) -> int:
        projections = 2 * WIDTH * WIDTH * (2 * tokens + 2 * asking)
        attention = 4 * WIDTH * tokens * asking
        feed_forward = 4 * WIDTH * INNER_WIDTH * asking
        return projections + attention + feed_forward

    return (LAYERS - 1) * layer(tokens) + layer(rows)
