"""Texts under a policy that is being written: both are read again when they change, and the model stays loaded."""

import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ModelError
from worker.config import read_file
from worker.errors import WorkerError

if TYPE_CHECKING:
    from worker.content.text_classifier import Refused, Scored, TextClassifier

LOOK_INTERVAL_SECONDS = 0.5
TYPED_REMEMBERED = 20


class WatchedFile:
    """A file that somebody edits. A change counts once two looks in a row have found it: half a file may be valid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._applied = self._content()

    def changed(self) -> bool:
        """Look once; true if it holds something else than when this was true last."""
        content = self._content()
        settled, self._seen = content == self._seen, content
        if not settled or content == self._applied:
            return False
        self._applied = content
        return True

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except OSError:  # while an editor replaces it; who needs its content is told
            return None


class Trial:
    """Shows what a policy makes of texts, and again whenever the policy or the texts change."""

    def __init__(
        self,
        load: Callable[[], "TextClassifier"],
        show: Callable[[str | bytes, "Scored | Refused"], None],
        say: Callable[[str], None],
        *,
        policy_file: Path,
        texts: Sequence[str | bytes] = (),
        texts_file: Path | None = None,
    ) -> None:
        """`load` reads the policy and compiles it for the model that is loaded.

        Raises what `load` raises, and ConfigurationError for a file of texts that cannot be read.
        """
        self._policy_file = WatchedFile(policy_file)
        self._texts_file = WatchedFile(texts_file) if texts_file is not None else None
        self._load = load
        self._show = show
        self._say = say
        self._given = texts
        self._typed: list[bytes] = []
        self._classifier = load()
        self._from_file = text_lines(texts_file) if texts_file is not None else []
        self._show_all()

    def look(self) -> None:
        """Look at the files once. What is wrong in one is said, and what was read before stays."""
        again = [
            self._read_again(read)
            for file, read in ((self._policy_file, self._read_policy), (self._texts_file, self._read_texts))
            if file is not None and file.changed()
        ]
        if any(again):
            self._show_all()

    def _read_again(self, read: Callable[[], None]) -> bool:
        try:
            read()
        except (WorkerError, ModelError) as error:
            self._say(f"{error}\n(what was read before stays)")
            return False
        return True

    def _read_policy(self) -> None:
        self._classifier = self._load()
        self._say(f"{self._policy_file.path}: read again, version {self._classifier.policy.version}")

    def _read_texts(self) -> None:
        assert self._texts_file is not None
        self._from_file = text_lines(self._texts_file.path)

    def add(self, text: bytes) -> None:
        """Show a text that was typed; it is shown again when the policy changes."""
        self._typed = [*self._typed[1 - TYPED_REMEMBERED :], text]
        self._show_each([text])

    def _show_all(self) -> None:
        self._show_each([*self._given, *self._from_file, *self._typed])

    def _show_each(self, texts: Sequence[str | bytes]) -> None:
        for text, outcome in zip(texts, self._classifier.classify(texts), strict=True):
            self._show(text, outcome)


def follow(trial: Trial, stdin: int | None, *, ends_with_input: bool) -> None:
    """Take lines from a file descriptor and look at the files in between; for ever, or until the lines end."""
    lines = typed_lines(stdin) if stdin is not None else None
    while True:
        if lines is None:
            time.sleep(LOOK_INTERVAL_SECONDS)
        else:
            arrived = next(lines, None)
            if arrived is not None:
                for line in arrived:
                    trial.add(line)
            elif ends_with_input:
                return
            else:
                lines = None
        trial.look()


def typed_lines(descriptor: int) -> Iterator[list[bytes]]:
    """The lines that arrived since the last time, perhaps none within LOOK_INTERVAL_SECONDS; ends with the input.

    Read without Python's buffer, which would hide the second of two pasted lines from `select`.
    """
    held = b""
    while True:
        if not select.select([descriptor], [], [], LOOK_INTERVAL_SECONDS)[0]:
            yield []
            continue
        arrived = os.read(descriptor, 65_536)
        *lines, held = (held + arrived).split(b"\n")
        if not arrived and held:
            lines = [held]
        yield [line.rstrip(b"\r") for line in lines]
        if not arrived:
            return


def text_lines(path: Path) -> list[bytes]:
    """One text per line. Raises ConfigurationError where the file cannot be read."""
    lines = read_file(path).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [line.rstrip(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]
