from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from model.checkpoint import Checkpoint, load_checkpoint
from model.training.augmentation import Augmentation
from model.training.data import TrainingExample
from model.training.errors import DataError
from model.training.feedback import Feedback
from model.training.reinforcement import train_from_feedback
from model.training.settings import FeedbackSettings, TrainingSettings
from model.training.supervised import train
from model.training.window import check_window, fitting

WINDOW = 64
SMALL = TrainingExample("aeiou", ("vowels", "digits"), (1.0, 0.0))
LARGE = TrainingExample(
    "1234", tuple(f"label number {n}" for n in range(40)), (1.0, *[0.0] * 39), where="rows.jsonl:84"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("window") / "model", architecture="uni-encoder")
    return load_checkpoint(folder, max_tokens=WINDOW)


def _said(checkpoint: Checkpoint, *examples: TrainingExample) -> list[str]:
    lines: list[str] = []
    check_window(checkpoint.model, checkpoint.tokenizers, examples, lines.append)
    return lines


def test_a_label_set_that_leaves_no_room_is_named_with_its_file_and_line(checkpoint: Checkpoint) -> None:
    with pytest.raises(DataError, match=r"^rows.jsonl:84: labels, .* take \d+ of the model's 64 tokens"):
        _said(checkpoint, SMALL, LARGE, SMALL)


def test_of_many_rows_that_do_not_fit_the_first_are_named_and_the_rest_counted(checkpoint: Checkpoint) -> None:
    rows = [
        TrainingExample("1", (*LARGE.labels, str(n)), (1.0, *[0.0] * 40), where=f"rows.jsonl:{n}") for n in range(8)
    ]
    with pytest.raises(DataError) as raised:
        _said(checkpoint, *rows)
    assert [line.partition(": ")[0] for line in str(raised.value).splitlines()] == [
        *(f"rows.jsonl:{n}" for n in range(5)),
        "and 3 more label sets",
    ]


def test_texts_beyond_the_window_are_counted_and_said(checkpoint: Checkpoint) -> None:
    long = TrainingExample("aeiou " * 200, SMALL.labels, SMALL.targets)
    (line,) = _said(checkpoint, SMALL, long, SMALL, long)
    assert line.startswith("2 of 4 texts do not fit the window of 64 tokens")
    assert "--max-tokens" in line


def test_nothing_is_said_where_everything_fits(checkpoint: Checkpoint) -> None:
    assert _said(checkpoint, SMALL) == []


@pytest.mark.parametrize(("rows", "development"), [([SMALL, LARGE], []), ([SMALL], [LARGE])])
def test_training_ends_before_its_first_update_where_a_row_does_not_fit(
    tmp_path: Path, checkpoint: Checkpoint, rows: list[TrainingExample], development: list[TrainingExample]
) -> None:
    lines: list[str] = []
    with pytest.raises(DataError, match=r"^rows.jsonl:84: "):
        train(
            checkpoint,
            rows,
            tmp_path / "run",
            TrainingSettings(epochs=1),
            development=development,
            report=lines.append,
        )
    assert not (tmp_path / "run").exists()
    assert not any(line.startswith("update") for line in lines)


def test_training_from_feedback_ends_before_its_first_update_where_an_answer_does_not_fit(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    answer = Feedback("1234", LARGE.labels, accepted=LARGE.labels[:1], where="answers.jsonl:3")
    with pytest.raises(DataError, match=r"^answers.jsonl:3: "):
        train_from_feedback(checkpoint, [answer], tmp_path / "run", FeedbackSettings())
    assert not (tmp_path / "run").exists()


def test_labels_that_are_added_never_push_a_text_out_of_the_window(tmp_path: Path, checkpoint: Checkpoint) -> None:
    assert fitting(checkpoint.model, checkpoint.tokenizers, LARGE, SMALL) is SMALL
    rows = [TrainingExample(f"text {n}", (f"a rather long label {n}", f"another {n}"), (1.0, 0.0)) for n in range(12)]
    settings = TrainingSettings(
        epochs=1, batch_size=12, in_batch_negatives=11, augmentation=Augmentation(addition=1.0), evaluate_every=1
    )
    assert train(checkpoint, rows, tmp_path / "run", settings).folder.is_dir()


def test_where_a_row_stands_does_not_make_it_another_row() -> None:
    moved = TrainingExample(LARGE.text, LARGE.labels, LARGE.targets, where="rows.jsonl:83")
    assert moved == LARGE
    assert repr(moved) == repr(LARGE)
