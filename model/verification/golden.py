"""Golden scores: what a checkpoint gave on the shipped cases, kept in a file and compared with later."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import LabelSetError, ModelError
from model.precision import probability_deviation
from model.scorer import Logits, Scorer
from model.verification.shipped_cases import LABEL_SETS, TEXTS

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two runs of the same cases lie apart.

    Attributes:
        cases: pairs of text and label set that were compared.
        logit_deviation: largest difference of a logit.
        probability_deviation: largest difference of a sigmoid.
        worst_case: the pair with the largest difference of a logit, by numbers of the shipped cases.
        skipped: label sets that were not compared, and why.
    """

    cases: int
    logit_deviation: float
    probability_deviation: float
    worst_case: str
    skipped: tuple[str, ...] = ()


def save_golden(scorer: Scorer, path: Path) -> int:
    """Score the shipped cases and write them to `path` as JSON; returns the number of cases."""
    logits, skipped = score_cases(scorer)
    content = {
        "format": FORMAT,
        "digest": scorer.digest,
        "architecture": scorer.architecture,
        "dtype": scorer.dtype_name,
        "max_tokens": scorer.max_tokens,
        "skipped": list(skipped),
        "logits": {name: [float(value) for value in values] for name, values in logits.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return len(logits)


def check_golden(scorer: Scorer, path: Path) -> Comparison:
    """Compare today's scores with those of a file.

    Raises:
        ModelError: the file cannot be read, or belongs to other weights or another window.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stored = {name: np.asarray(values, dtype=np.float32) for name, values in content["logits"].items()}
        wanted = (content["format"], content["digest"], content["max_tokens"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read as a golden-score file: {error!r}") from error
    found = (FORMAT, scorer.digest, scorer.max_tokens)
    for name, expected, actual in zip(("format", "digest", "max_tokens"), wanted, found, strict=True):
        if expected != actual:
            raise ModelError(
                f"{path}: {name} is {expected!r} and this checkpoint's is {actual!r}; write a new golden-score file"
            )
    logits, skipped = score_cases(scorer)
    if logits.keys() != stored.keys():
        raise ModelError(f"{path}: holds other cases than this version ships; write a new golden-score file")
    return compare(stored, logits, skipped)


def score_cases(scorer: Scorer) -> tuple[dict[str, Logits], tuple[str, ...]]:
    """Logits of every shipped case by name, and the label sets that this checkpoint cannot take."""
    logits: dict[str, Logits] = {}
    skipped = []
    for number, label_set in enumerate(LABEL_SETS):
        try:
            prepared = scorer.prepare(label_set)
        except LabelSetError as error:
            skipped.append(f"label set {number}: {error}")
            continue
        scored = scorer.score([scorer.encode(text, [prepared]) for text in TEXTS])
        logits |= {case_name(index, number): values for index, (values,) in enumerate(scored)}
    return logits, tuple(skipped)


def case_name(text: int, label_set: int) -> str:
    """How a shipped case is named in files and reports."""
    return f"text {text}, label set {label_set}"


def compare(expected: dict[str, Logits], actual: dict[str, Logits], skipped: tuple[str, ...] = ()) -> Comparison:
    """Compare logits by case; both have the same cases.

    Raises:
        ModelError: there is nothing to compare.
    """
    if not expected:
        raise ModelError(f"no shipped case fits this checkpoint: {'; '.join(skipped)}")
    deviations = {name: float(np.abs(values - actual[name]).max()) for name, values in expected.items()}
    worst = max(deviations, key=lambda name: deviations[name])
    return Comparison(
        cases=len(expected),
        logit_deviation=deviations[worst],
        probability_deviation=probability_deviation(list(expected.values()), [actual[name] for name in expected]),
        worst_case=worst,
        skipped=skipped,
    )
