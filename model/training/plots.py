"""Pictures of training and of scores, as PNG. Needs matplotlib, from the extra `train`."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.training.errors import TrainingError
from model.training.state import History

MOST_NAMED_LABELS = 40


def loss_curve(history: History, path: Path, *, figure_name: str = "macro-F1, development") -> None:
    """Loss over updates, and the development figure where there is one."""
    figure = Figure(figsize=(8, 4.5))
    axes = figure.add_subplot()
    if history.losses:
        updates, losses = zip(*history.losses, strict=True)
        axes.plot(updates, losses, color="tab:blue", alpha=0.35, linewidth=1)
        axes.plot(updates, _smoothed(losses), color="tab:blue", label="loss")
    axes.set_xlabel("update")
    axes.set_ylabel("loss")
    if history.figures:
        other = axes.twinx()
        other.plot(*zip(*history.figures, strict=True), color="tab:orange", marker="o", label=figure_name)
        other.set_ylabel(figure_name)
    _write(figure, path)


def reliability(
    before: NDArray[np.floating], after: NDArray[np.floating], truth: NDArray[np.bool_], path: Path
) -> None:
    """Frequency against probability, before and after calibration, with how often each probability occurs."""
    figure = Figure(figsize=(10, 5))
    for place, (title, probabilities) in enumerate((("before", before), ("after", after)), start=1):
        _reliability_panel(figure.add_subplot(1, 2, place), probabilities.ravel(), truth.ravel(), title)
    _write(figure, path)


def confusion_matrix(counts: NDArray[np.int64], labels: Sequence[str], path: Path) -> None:
    """Rows of [labels, labels + 1] counts as shares of each true label."""
    size = min(24.0, 4 + 0.35 * len(labels))
    figure = Figure(figsize=(size + 1, size))
    axes = figure.add_subplot()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the true label's texts")
    if len(labels) <= MOST_NAMED_LABELS:
        # Labels are names, never formulas: a dollar sign in one would be read as mathematics, or end in an error.
        as_written = {"fontsize": 7, "parse_math": False}
        axes.set_xticks(range(len(labels) + 1), [*labels, "none chosen"], rotation=60, ha="right", **as_written)
        axes.set_yticks(range(len(labels)), list(labels), **as_written)
    axes.set_xlabel("chosen")
    axes.set_ylabel("true")
    _write(figure, path)


def _reliability_panel(
    axes: Axes, probabilities: NDArray[np.floating], truth: NDArray[np.bool_], title: str, bins: int = 15
) -> None:
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    used = counts > 0
    mean = np.bincount(index, weights=probabilities, minlength=bins)[used] / counts[used]
    frequency = np.bincount(index, weights=truth, minlength=bins)[used] / counts[used]
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.bar((np.arange(bins) + 0.5) / bins, counts / counts.max(), width=0.9 / bins, color="tab:blue", alpha=0.15)
    axes.plot(mean, frequency, marker="o", color="tab:blue")
    error = float((np.abs(mean - frequency) * counts[used]).sum() / counts.sum())
    axes.set_title(f"{title}: ECE {error:.3f}")
    axes.set_xlabel("probability")
    axes.set_ylabel("share that is true")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _smoothed(values: Sequence[float]) -> NDArray[np.floating]:
    smooth, kept = np.empty(len(values)), values[0]
    for place, value in enumerate(values):
        kept = 0.9 * kept + 0.1 * value
        smooth[place] = kept
    return smooth


def _write(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # A label in a script that the font lacks is drawn as boxes; a line for each of its characters helps nobody.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.tight_layout()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            FigureCanvasAgg(figure).print_png(path)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error})") from error
