from pathlib import Path

import numpy as np
import pytest

from model.training.errors import TrainingError
from model.training.plots import confusion_matrix, loss_curve, reliability
from model.training.state import History

PNG = b"\x89PNG"


def test_pictures_are_written_as_png(tmp_path: Path) -> None:
    history = History([(1, 0.9), (2, 0.5)], [(2, 0.7)])
    loss_curve(history, tmp_path / "new" / "loss.png")
    probabilities, truth = np.array([[0.1, 0.9], [0.4, 0.6]]), np.array([[False, True], [False, True]])
    reliability(probabilities, probabilities**2, truth, tmp_path / "reliability.png")
    confusion_matrix(np.array([[3, 1, 0], [0, 2, 2]]), ["a", "b"], tmp_path / "confusion.png")
    for path in ("new/loss.png", "reliability.png", "confusion.png"):
        assert (tmp_path / path).read_bytes().startswith(PNG)


def test_a_run_without_any_look_still_has_a_curve(tmp_path: Path) -> None:
    loss_curve(History([(1, 0.9)], []), tmp_path / "loss.png")
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_a_label_is_drawn_as_it_is_written_and_is_never_a_formula(tmp_path: Path) -> None:
    labels = ["costs $5 or $6", r"$\frac{$", r"\alpha", "_hidden", "漢字 🙂"]
    confusion_matrix(np.zeros((5, 6), dtype=np.int64), labels, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(PNG)


def test_a_picture_that_cannot_be_written_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file/loss.png: cannot be written \(.*File exists"):
        loss_curve(History([(1, 0.9)], []), tmp_path / "file" / "loss.png")
