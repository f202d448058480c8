"""How fast the engines are with every text known beforehand: a process that measures again whenever it is asked.

    python -m benchmarks.engines.speed --checkpoint FOLDER --texts FILE --dtypes float32 bfloat16 --threads N

For each line on standard input, the name of an engine, it prints a line of JSON. `pipeline`: messages a second of the
`gliclass` pipeline by batch size. A dtype: device tokens a second of the worker's engine on the texts sorted by length,
in batches of the size that was best the first time; tokenising is not counted. `tokens`: device tokens of each text.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.kafka.peers import Classifier
from model import EncodedText, LabelSet, Scorer

BATCH_TOKENS = (1024, 2048, 4096)
BATCH_MESSAGES = (1, 8, 16)
SAMPLE_TEXTS, PIPELINE_TEXTS = 160, 48
NO_LIMIT = 1.0


class Packed:
    """The worker's engine in one dtype."""

    def __init__(self, checkpoint: str, dtype: str, texts: Sequence[str], labels: Sequence[Sequence[str]]) -> None:
        self._scorer = Scorer.load(checkpoint, device="cpu", dtype=dtype, deviation_limit=NO_LIMIT)
        prepared = {tuple(one): self._scorer.prepare(LabelSet(tuple(one))) for one in labels}
        encoded = [self._scorer.encode(text, [prepared[tuple(one)]]) for text, one in zip(texts, labels, strict=True)]
        self.token_counts = [text.token_count for text in encoded]
        self._sample = sorted(encoded[:SAMPLE_TEXTS], key=lambda text: text.token_count)
        self._best = 0

    def tokens_per_second(self) -> float:
        """The offline maximum, now."""
        tokens = sum(text.token_count for text in self._sample)
        if not self._best:
            self._score(BATCH_TOKENS[0])
            self._best = min(BATCH_TOKENS, key=lambda size: _seconds(lambda: self._score(size)))
        return tokens / _seconds(lambda: self._score(self._best))

    def _score(self, batch_tokens: int) -> None:
        batch: list[EncodedText] = []
        room = batch_tokens
        for text in self._sample:
            if batch and text.token_count > room:
                self._scorer.score(batch)
                batch, room = [], batch_tokens
            batch.append(text)
            room -= text.token_count
        self._scorer.score(batch)


def pipeline_speeds(
    checkpoint: str, threads: int, texts: Sequence[str], labels: Sequence[Sequence[str]]
) -> dict[int, float]:
    """Messages a second in order of arrival, as a consumer has to call it, by batch size."""
    classifier = Classifier(checkpoint, threads)
    classifier.classify(texts[:1], labels[:1])
    return {
        size: PIPELINE_TEXTS / _seconds(lambda s=size: _classify(classifier, texts, labels, s))
        for size in BATCH_MESSAGES
    }


def _classify(classifier: Classifier, texts: Sequence[str], labels: Sequence[Sequence[str]], batch: int) -> None:
    for start in range(0, PIPELINE_TEXTS, batch):
        classifier.classify(texts[start : start + batch], labels[start : start + batch])


def _seconds(task: Callable[[], None]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines.speed")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--texts", type=Path, required=True, help="JSON: texts and labels")
    parser.add_argument("--dtypes", nargs="+", required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    given = json.loads(options.texts.read_text())
    texts, labels = given["texts"], given["labels"]
    engines = {dtype: Packed(options.checkpoint, dtype, texts, labels) for dtype in options.dtypes}
    for line in sys.stdin:
        asked = line.strip()
        if asked == "pipeline":
            answer: object = pipeline_speeds(options.checkpoint, options.threads, texts, labels)
        elif asked == "tokens":
            answer = next(iter(engines.values())).token_counts
        else:
            answer = engines[asked].tokens_per_second()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
