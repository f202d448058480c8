import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from support.reference import tiny_bert, write_reference
from support.tiny_checkpoint import write_tiny_checkpoint

from model import LabelSet, Scorer
from model.prompt import Prompt

COLOURS = [LabelSet((f"red {number}", "green", f"blue {number}")) for number in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference(
        tmp_path_factory.mktemp("bi"), architecture_type="bi-encoder", label_encoder=tiny_bert(), pooling_strategy="avg"
    )


@pytest.fixture
def scorer(folder: Path) -> Scorer:
    return Scorer.load(folder, dtype="float32")


class Counted:
    """How many label sets an architecture encodes in each pass."""

    def __init__(self, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes: list[int] = []
        real = scorer._model.architecture.label_vectors

        def counting(prompts: Sequence[Prompt]) -> list[torch.Tensor] | None:
            self.passes.append(len(prompts))
            return real(prompts)

        monkeypatch.setattr(scorer._model.architecture, "label_vectors", counting)


def test_many_drafts_are_filled_in_one_pass_with_the_vectors_of_each_alone(
    scorer: Scorer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(scorer, monkeypatch)
    filled = scorer.fill([scorer.draft(label_set) for label_set in COLOURS])
    assert counted.passes == [1 + 2 * len(COLOURS)]  # "green" is in all of them
    other = Scorer.load(folder, dtype="float32")
    for prepared, label_set in zip(filled, COLOURS, strict=True):
        alone = other.prepare(label_set)
        assert prepared.vectors is not None
        assert alone.vectors is not None
        torch.testing.assert_close(prepared.vectors, alone.vectors, rtol=0, atol=1e-5)


def test_a_draft_is_made_on_any_thread_and_has_no_vectors(scorer: Scorer) -> None:
    drafts = []
    thread = threading.Thread(target=lambda: drafts.append(scorer.draft(COLOURS[0])))
    thread.start()
    thread.join()
    assert drafts[0].vectors is None
    (filled,) = scorer.fill(drafts)
    assert filled.vectors is not None
    assert scorer.draft(COLOURS[0]) is filled


def test_equal_drafts_become_one_object(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(scorer, monkeypatch)
    first, second = scorer.fill([scorer.draft(COLOURS[0]), scorer.draft(COLOURS[0])])
    assert first is second
    assert scorer.prepare(COLOURS[0]) is first
    assert counted.passes == [3]


def test_vectors_that_are_on_disk_are_not_computed_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Scorer.load(folder, dtype="float32")
    first.keep_vectors_in(tmp_path)
    before = first.fill([first.draft(label_set) for label_set in COLOURS])
    second = Scorer.load(folder, dtype="float32")
    second.keep_vectors_in(tmp_path)
    counted = Counted(second, monkeypatch)
    after = second.fill([second.draft(label_set) for label_set in [*COLOURS, LabelSet(("new", "newer"))]])
    assert counted.passes == [2]
    for old, new in zip(before, after, strict=False):
        assert old.vectors is not None
        assert new.vectors is not None
        assert torch.equal(old.vectors, new.vectors)
        assert old.remarks == new.remarks


def test_another_model_does_not_find_them(folder: Path, tmp_path: Path) -> None:
    other = Scorer.load(write_tiny_checkpoint(tmp_path / "other", architecture="bi-encoder"), dtype="float32")
    for scorer in (Scorer.load(folder, dtype="float32"), other):
        scorer.keep_vectors_in(tmp_path / "vectors")
        scorer.prepare(COLOURS[0])
    names = sorted(file.name for file in (tmp_path / "vectors").glob("*.sqlite"))
    assert len(names) == 2
    assert any(name.startswith(f"{other.digest}-float32-cpu") for name in names)


def test_a_model_that_reads_labels_with_the_text_has_no_vectors(tmp_path: Path) -> None:
    scorer = Scorer.load(write_tiny_checkpoint(tmp_path / "uni"), dtype="float32")
    scorer.keep_vectors_in(tmp_path / "vectors")
    (filled,) = scorer.fill([scorer.draft(COLOURS[0])])
    assert filled.vectors is None
    assert scorer.fill([]) == []


def test_labels_are_computed_some_at_a_time_and_then_only_put_together(
    scorer: Scorer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(scorer, monkeypatch)
    drafts = [scorer.draft(label_set) for label_set in COLOURS]
    units = scorer.missing(drafts)
    assert all(unit.token_count > 0 for unit in units)
    for start in range(0, len(units), 4):
        scorer.compute(units[start : start + 4])
    assert scorer.missing(drafts) == []
    filled = scorer.fill(drafts)
    assert counted.passes == [4, 4, 4, 1]
    alone = Scorer.load(folder, dtype="float32").prepare(COLOURS[3])
    assert filled[3].vectors is not None
    assert alone.vectors is not None
    torch.testing.assert_close(filled[3].vectors, alone.vectors, rtol=0, atol=1e-5)
