from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_checkpoint import write_tiny_checkpoint

from model.scorer import Scorer
from model.training import scoring
from model.training.data import IGNORED, TrainingExample
from model.training.errors import DataError
from model.training.scoring import batches_by_length, score_set

EXAMPLES = [
    TrainingExample("a long text about many things", ("x", "y"), (1.0, 0.0)),
    TrainingExample("short", ("y", "z"), (0.0, 1.0)),
    TrainingExample("middle sized", ("x", "y"), (IGNORED, 1.0)),
]


def test_each_text_is_scored_under_its_own_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 1)
    scorer = Scorer.load(write_tiny_checkpoint(tmp_path / "tiny"), dtype="float32")
    scored = score_set(scorer, EXAMPLES)
    assert scored.labels == ("x", "y", "z")
    assert np.isfinite(scored.logits).tolist() == [[True, True, False], [False, True, True], [False, True, False]]
    assert scored.truth.tolist() == [[True, False, False], [False, False, True], [False, True, False]]
    assert not scored.multi_label
    prepared = scorer.prepare(EXAMPLES[1].label_set)
    alone = scorer.score([scorer.encode("short", [prepared])])[0][0]
    np.testing.assert_allclose(scored.logits[1, 1:], alone, atol=1e-5)


def test_cut_texts_are_counted(tmp_path: Path) -> None:
    scorer = Scorer.load(write_tiny_checkpoint(tmp_path / "tiny"), dtype="float32", max_tokens=40)
    examples = [TrainingExample("word " * 40, ("x",), (1.0,)), EXAMPLES[1]]
    assert score_set(scorer, examples).truncated == 1


def test_no_example_is_refused(tmp_path: Path) -> None:
    scorer = Scorer.load(write_tiny_checkpoint(tmp_path / "tiny"), dtype="float32")
    with pytest.raises(DataError, match="no row"):
        score_set(scorer, [])


@given(st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_batches_hold_each_text_once_the_shortest_first_and_end_when_they_are_full(
    lengths: list[int], most: int
) -> None:
    batches = list(batches_by_length(lengths, most))
    places = [place for batch in batches for place in batch]
    assert sorted(places) == list(range(len(lengths)))
    assert [lengths[place] for place in places] == sorted(lengths)
    assert all(sum(lengths[place] for place in batch[:-1]) < most for batch in batches)
