import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.scorer import Scorer
from worker.commands.trial import Trial, WatchedFile, follow, text_lines, typed_lines
from worker.config import load_policies
from worker.content.text_classifier import Scored, TextClassifier
from worker.errors import ConfigurationError

POLICY = "tenants: {{shop: {{tasks: {{topic: {{mode: multi, labels: [billing, shipping], threshold: {threshold}}}}}}}}}"


class Bench:
    """A policy file and one of texts, a trial of both on a model that stays, and what it showed and said."""

    def __init__(self, folder: Path, scorer: Scorer) -> None:
        self.policy, self.texts = folder / "policies.yaml", folder / "texts.txt"
        self.write(0.0)
        self.texts.write_text("from the file\n")
        self.shown: list[tuple[str | bytes, int]] = []
        self.said: list[str] = []
        self.scorer = scorer
        self.trial = Trial(
            lambda: TextClassifier(scorer, load_policies(self.policy), "shop", 1000),
            self.show,
            self.said.append,
            policy_file=self.policy,
            texts=["given"],
            texts_file=self.texts,
        )

    def write(self, threshold: float) -> None:
        self.policy.write_text(POLICY.format(threshold=threshold))

    def show(self, text: str | bytes, outcome: Any) -> None:
        assert isinstance(outcome, Scored)
        self.shown.append((text, len(outcome.tasks["topic"].labels)))

    def look_twice(self) -> list[tuple[str | bytes, int]]:
        self.shown.clear()
        self.trial.look()
        self.trial.look()
        return self.shown


@pytest.fixture
def bench(tmp_path: Path, scorer: Scorer) -> Bench:
    return Bench(tmp_path, scorer)


def test_everything_is_shown_at_once_and_nothing_again_while_nothing_changes(bench: Bench) -> None:
    assert bench.shown == [("given", 2), (b"from the file", 2)]
    assert bench.look_twice() == []


def test_a_changed_policy_shows_all_texts_again_also_those_that_were_typed(bench: Bench) -> None:
    bench.trial.add(b"typed")
    bench.write(1.0)
    assert bench.look_twice() == [("given", 0), (b"from the file", 0), (b"typed", 0)]
    assert "read again, version" in bench.said[-1]


def test_changed_texts_are_shown_under_the_policy_there_is(bench: Bench) -> None:
    bench.texts.write_text("one\r\ntwo")
    assert bench.look_twice() == [("given", 2), (b"one", 2), (b"two", 2)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("tenants: {shop: {tasks: {topic: {mode: multy, labels: [a]}}}}", "mode"),
        ("tenants: [", "line 2"),
        (f"tenants: {{shop: {{tasks: {{t: {{mode: multi, labels: [{'a ' * 3000}]}}}}}}}}", "topic|tasks.t"),
    ],
)
def test_a_bad_policy_is_said_once_and_the_last_good_one_stays(bench: Bench, content: str, said: str) -> None:
    bench.policy.write_text(content)
    assert bench.look_twice() == []
    assert bench.look_twice() == []
    assert len(bench.said) == 1
    assert any(word in bench.said[0] for word in said.split("|"))
    bench.trial.add(b"typed")
    assert bench.shown == [(b"typed", 2)]
    bench.write(1.0)
    assert len(bench.look_twice()) == 3


def test_a_file_that_is_still_written_is_waited_for(bench: Bench) -> None:
    bench.shown.clear()
    for threshold in (0.1, 0.2, 0.3):
        bench.write(threshold)
        bench.trial.look()
    assert bench.shown == []
    bench.trial.look()
    assert len(bench.shown) == 2


def test_a_file_that_went_away_is_said_and_read_when_it_is_back(bench: Bench) -> None:
    bench.texts.unlink()
    assert bench.look_twice() == []
    assert "texts.txt: cannot be read" in bench.said[0]
    bench.texts.write_text("back")
    assert bench.look_twice()[1:] == [(b"back", 2)]


def test_a_change_to_what_was_read_already_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    watched = WatchedFile(file)
    file.write_text("b")
    assert not watched.changed()
    file.write_text("a")
    assert [watched.changed(), watched.changed()] == [False, False]


def test_lines_that_are_typed_or_pasted_are_each_shown(bench: Bench) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"first\nsecond\r\nwithout its end")
    os.close(writing)
    bench.shown.clear()
    follow(bench.trial, reading, ends_with_input=True)
    os.close(reading)
    assert [text for text, _ in bench.shown] == [b"first", b"second", b"without its end"]


def test_a_pause_between_lines_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.commands.trial.LOOK_INTERVAL_SECONDS", 0.0)
    reading, writing = os.pipe()
    lines = typed_lines(reading)
    assert next(lines) == []
    os.write(writing, b"half a ")
    assert next(lines) == []
    os.write(writing, b"line\n")
    assert next(lines) == [b"half a line"]
    os.close(writing)
    assert list(lines) == [[]]
    os.close(reading)


def test_the_files_are_looked_at_for_ever_once_the_input_has_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Callable[[], None]] = [lambda: bench.write(1.0), lambda: None, lambda: None]

    def sleep(seconds: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr("worker.commands.trial.time.sleep", sleep)
    reading, writing = os.pipe()
    os.close(writing)
    bench.shown.clear()
    with pytest.raises(KeyboardInterrupt):
        follow(bench.trial, reading, ends_with_input=False)
    os.close(reading)
    assert bench.shown == [("given", 0), (b"from the file", 0)]


def test_texts_are_the_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\n\ntwo\xff\n")
    assert text_lines(file) == [b"one", b"", b"two\xff"]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        text_lines(tmp_path / "nowhere")
