"""Seconds a device batch will take, learnt from the batches that ran. Pure: no clock, no I/O."""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CALIBRATION_WEIGHT = 10.0
"""Ordinary samples that one calibration sample counts for. In steady state batch sizes hardly vary, so only the
calibration samples keep the fixed and the per-token part apart: they never fade."""

FORGETTING = 0.999
RESIDUAL_QUANTILE = 0.95
RESIDUAL_STEP = 0.05
PACE_STEP = 0.1
OUTLIER_RATIO = 2.0
CHANGE_RATIO = 1.25
"""Beyond it a calibrated device has changed its pace, which says nothing about the shape of its cost."""

STATE_VERSION = 1

Matrix = list[list[float]]


@dataclass(frozen=True, slots=True)
class CostSample:
    """One measured batch: device tokens, sum of squared sequence lengths, seconds from device-ready to result-ready."""

    token_count: int
    squared_tokens: int
    seconds: float


PRIOR = (CostSample(256, 256 * 64, 0.015), CostSample(4096, 4096 * 64, 0.17), CostSample(4096, 4096 * 1024, 0.18))
"""What is believed before any measurement: 5 ms and 40 µs a token, with next to no weight."""
PRIOR_FIXED_SECONDS, PRIOR_SECONDS_PER_TOKEN = 0.005, 40e-6
PRIOR_WEIGHT = 0.01


class CostStateError(ValueError):
    """A stored cost model that belongs to another model, device, dtype or thread count, or that cannot be read."""


def cost_key(model_digest: str, device: str, dtype: str, processors: str) -> str:
    """What a cost model is valid for. A stored one with another key is measured anew."""
    return f"{model_digest}/{device}/{dtype}/{processors}"


def calibration_lengths(max_batch_tokens: int, max_sequence_tokens: int) -> list[list[int]]:
    """Sequence lengths of the batches to time at start, smallest first: warm-up, memory probe and samples in one."""
    shapes: list[list[int]] = []
    for length in sorted({min(length, max_sequence_tokens) for length in (16, 64, 256, max_sequence_tokens)}):
        for share in (1 / 64, 1 / 8, 1 / 2, 1.0):
            shape = [length] * max(1, int(max_batch_tokens * share) // length)
            if shape not in shapes:
                shapes.append(shape)
    return sorted(shapes, key=lambda shape: (sum(shape), shape))


class CostModel:
    """Seconds = pace x (fixed + per token + per squared sequence length).

    The coefficients are fitted on relative error and describe the shape; `pace` follows a device that is faster or
    slower than usual within some twenty batches. A sample far from its prediction moves the pace and the residual
    quantile, never the coefficients; one beyond twice its prediction counts for the pace as twice.
    """

    def __init__(self, calibration: Iterable[CostSample] = ()) -> None:
        self._calibration = tuple(calibration)
        self._learnt: Matrix = [[0.0] * 3 for _ in range(3)]
        self._learnt_sums = [0.0] * 3
        self._permanent: Matrix = [[0.0] * 3 for _ in range(3)]
        self._permanent_sums = [0.0] * 3
        for sample in self._calibration:
            if sample.seconds <= 0:
                raise ValueError(f"a calibration batch of {sample.token_count} tokens took {sample.seconds} s")
            _add(self._permanent, self._permanent_sums, sample, sample.seconds, CALIBRATION_WEIGHT)
        # Brought to this device's speed: on relative error a prior that is far too fast would outweigh measurements.
        pace = _prior_pace(self._calibration)
        for sample in PRIOR:
            _add(self._permanent, self._permanent_sums, sample, sample.seconds * pace, PRIOR_WEIGHT)
        self._coefficients = [0.0, 0.0, 0.0]
        self._fit()
        self.pace = 1.0
        """How much slower (above 1) the device runs now than the coefficients say."""
        self.residual_quantile = self._calibrated_residual()
        """The 95% quantile of actual ÷ predicted: what a deadline test must multiply a prediction by."""
        self.predicted_to_actual = 1.0
        """Predicted ÷ actual seconds of recent batches; 1 is right."""

    @property
    def calibrated(self) -> bool:
        """Whether the model rests on measured calibration batches."""
        return bool(self._calibration)

    @property
    def fixed_seconds(self) -> float:
        """Seconds a batch takes however small it is."""
        return self.pace * self._coefficients[0]

    @property
    def seconds_per_token(self) -> float:
        """Seconds each token of a batch adds."""
        return self.pace * self._coefficients[1]

    @property
    def seconds_per_squared_token(self) -> float:
        """Seconds each unit of summed squared sequence length adds (attention)."""
        return self.pace * self._coefficients[2]

    def predict(self, token_count: int, squared_tokens: int) -> float:
        """Expected seconds of a batch with this many tokens and this sum of squared sequence lengths."""
        fixed, per_token, per_square = self._coefficients
        return self.pace * (fixed + per_token * token_count + per_square * squared_tokens)

    def marginal(self, token_count: int, squared_tokens: int) -> float:
        """Expected seconds that these tokens add to a batch that runs anyway."""
        _, per_token, per_square = self._coefficients
        return self.pace * (per_token * token_count + per_square * squared_tokens)

    def learn(self, token_count: int, squared_tokens: int, seconds: float) -> None:
        """Take one measured batch into account. Never the first batch of a cold device, never a failed one."""
        predicted = self.predict(token_count, squared_tokens)
        if token_count <= 0 or seconds <= 0 or not math.isfinite(seconds) or predicted <= 0:
            return
        ratio = seconds / predicted
        below = 1.0 if ratio <= self.residual_quantile else 0.0
        step = math.exp(RESIDUAL_STEP * (RESIDUAL_QUANTILE - below))
        self.residual_quantile = min(4.0, max(1.0, self.residual_quantile * step))
        bounded = min(OUTLIER_RATIO, max(1 / OUTLIER_RATIO, ratio))
        self.predicted_to_actual += PACE_STEP * (1 / ratio - self.predicted_to_actual)
        self.pace *= bounded**PACE_STEP
        if ratio > OUTLIER_RATIO or (self.calibrated and not 1 / CHANGE_RATIO <= ratio <= CHANGE_RATIO):
            return
        for row in self._learnt:
            for column in range(3):
                row[column] *= FORGETTING
        self._learnt_sums = [value * FORGETTING for value in self._learnt_sums]
        sample = CostSample(token_count, squared_tokens, seconds)
        _add(self._learnt, self._learnt_sums, sample, seconds / self.pace, 1.0)
        self._fit()

    def to_dict(self, key: str) -> dict[str, Any]:
        """The state to store, marked with what it is valid for (see `cost_key`)."""
        return {
            "version": STATE_VERSION,
            "key": key,
            "calibration": [[s.token_count, s.squared_tokens, s.seconds] for s in self._calibration],
            "learnt": [list(row) for row in self._learnt],
            "learnt_sums": list(self._learnt_sums),
            "pace": self.pace,
            "residual_quantile": self.residual_quantile,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], key: str) -> "CostModel":
        """A stored model. Raises CostStateError when it is for another key or damaged: calibrate then."""
        try:
            if state["version"] != STATE_VERSION or state["key"] != key:
                raise CostStateError(f"the stored cost model is for {state['key']!r}, this device is {key!r}")
            model = cls(CostSample(int(tokens), int(squares), float(s)) for tokens, squares, s in state["calibration"])
            learnt = [[float(value) for value in row] for row in state["learnt"]]
            sums = [float(value) for value in state["learnt_sums"]]
            pace, quantile = float(state["pace"]), float(state["residual_quantile"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CostStateError):
                raise
            raise CostStateError(f"the stored cost model cannot be read: {error!r}") from error
        numbers = [*itertools.chain(*learnt), *sums, pace, quantile]
        if len(numbers) != 14 or not all(map(math.isfinite, numbers)) or not (pace > 0 and 1 <= quantile <= 4):
            raise CostStateError("the stored cost model holds impossible numbers")
        model._learnt, model._learnt_sums = learnt, sums
        model.pace, model.residual_quantile = pace, quantile
        model._fit()
        return model

    def _calibrated_residual(self) -> float:
        ratios = sorted(s.seconds / self._shape(s) for s in self._calibration)
        return min(4.0, max(1.05, ratios[-1])) if ratios else 1.2

    def _shape(self, sample: CostSample) -> float:
        fixed, per_token, per_square = self._coefficients
        return fixed + per_token * sample.token_count + per_square * sample.squared_tokens

    def _fit(self) -> None:
        matrix = [
            [a + b for a, b in zip(*rows, strict=True)] for rows in zip(self._permanent, self._learnt, strict=True)
        ]
        sums = [a + b for a, b in zip(self._permanent_sums, self._learnt_sums, strict=True)]
        scaled = _non_negative_solution(matrix, sums)
        self._coefficients = [value * scale for value, scale in zip(scaled, _SCALES, strict=True)]


_SCALES = (1.0, 1e-3, 1e-6)


def _prior_pace(calibration: Sequence[CostSample]) -> float:
    """How much slower than the prior the device was measured."""
    if not calibration:
        return 1.0
    return statistics.median(
        sample.seconds / (PRIOR_FIXED_SECONDS + PRIOR_SECONDS_PER_TOKEN * sample.token_count) for sample in calibration
    )


def _add(matrix: Matrix, sums: list[float], sample: CostSample, seconds: float, weight: float) -> None:
    """Add one observation of relative error: the features divided by the seconds should give 1."""
    features = (1 / seconds, sample.token_count * 1e-3 / seconds, sample.squared_tokens * 1e-6 / seconds)
    for row, left in zip(matrix, features, strict=True):
        for column, right in enumerate(features):
            row[column] += weight * left * right
    for column, feature in enumerate(features):
        sums[column] += weight * feature


def _non_negative_solution(matrix: Matrix, sums: Sequence[float]) -> list[float]:
    """Least squares with no coefficient below zero: the best of the seven choices of which are above."""
    best, best_gain = [0.0] * 3, 0.0
    for size in (3, 2, 1):
        for chosen in itertools.combinations(range(3), size):
            solution = _solve([[matrix[i][j] for j in chosen] for i in chosen], [sums[i] for i in chosen])
            if solution is None or min(solution) < 0:
                continue
            gain = sum(sums[i] * value for i, value in zip(chosen, solution, strict=True))
            if gain > best_gain:
                best, best_gain = [0.0] * 3, gain
                for i, value in zip(chosen, solution, strict=True):
                    best[i] = value
        if size == 3 and best_gain:
            break
    return best


def _solve(matrix: Matrix, sums: Sequence[float]) -> list[float] | None:
    """Gaussian elimination with pivoting; None when the features cannot be told apart."""
    rows = [[*row, total] for row, total in zip(matrix, sums, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
        if abs(rows[pivot][column]) < 1e-12 * max(1e-30, matrix[column][column]):
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(column + 1, size):
            factor = rows[i][column] / rows[column][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column], strict=True)]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (rows[i][size] - known) / rows[i][i]
    return solution
