"""Which record ends the process, if one does: what was in flight in each crash, and what to try next. Pure, no I/O.

What a process has in flight is written, before it is worked on, into the metadata of the committed offset. There it
survives the process and its machine, moves to whichever replica gets the partition next, and costs nothing while all
goes well: it travels with commits that are made anyway, ahead of the records that it speaks of. An owner that leaves
orderly takes the mark away; a mark that is still there tells the next one that its predecessor died.

After a crash the records that were in flight are suspects. They are tried in small groups with nothing else in flight,
then one at a time; the record that was in flight in three crashes, alone in two of them, is not tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

PREFIX = "gliclass-worker/1"
CONDEMNING_CRASHES, CONDEMNING_CRASHES_ALONE = 3, 2
GROUP_RECORDS = 64
LONE_SPAN = 64
"""A span of at most this many offsets is tried one record at a time at once, without groups before it.

Each record tried alone costs a mark and a publish, with transactions on a cluster a tenth of a second.
"""

RESERVED_LEAST = 500
"""Offsets marked ahead of the records delivered: one fetch, so that a stream that trickles never waits for a mark."""


class Work(StrEnum):
    """What is in flight of the first span of a mark."""

    NONE = "none"
    TOGETHER = "together"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Span:
    """The records below `until` that no earlier span holds: in how many crashes they were in flight, alone in how many.

    A span with crashes alone holds one record.
    """

    until: int
    crashes: int = 0
    alone: int = 0

    @property
    def condemned(self) -> bool:
        return self.crashes >= CONDEMNING_CRASHES and self.alone >= CONDEMNING_CRASHES_ALONE


@dataclass(frozen=True, slots=True)
class Mark:
    """What the metadata of a committed offset says. The first span begins at that offset."""

    work: Work = Work.NONE
    spans: tuple[Span, ...] = ()

    def encode(self) -> str:
        """For the offset's metadata; empty where there is nothing to say."""
        if not self.spans:
            return ""
        spans = (f"{span.until}:{span.crashes}:{span.alone}" for span in self.spans)
        return " ".join([PREFIX, self.work, *spans])

    @classmethod
    def parse(cls, metadata: str) -> "Mark":
        """Metadata of somebody else, or none, is an empty mark. Raises ValueError where ours cannot be read."""
        prefix, *words = metadata.split(" ") if metadata else [""]
        if prefix != PREFIX:
            return cls()
        work, *spans = words
        return cls(Work(work), tuple(Span(*map(int, span.split(":", 2))) for span in spans))

    def suspects(self, offset: int, end: int) -> tuple[Span, ...]:
        """What the next owner of the partition must be careful with, from the committed offset to the log's end."""
        spans = self.spans
        if self.work is not Work.NONE and spans:
            first = replace(spans[0], crashes=spans[0].crashes + 1, alone=spans[0].alone + (self.work is Work.ALONE))
            spans = (first, *spans[1:])
        found: list[Span] = []
        for span in spans:
            until = min(span.until, end)
            if span.crashes and until > offset:
                found.append(replace(span, until=until))
                offset = until
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Trial:
    """The next records to work on with nothing else in flight: those below `until`; `condemned`: not to be tried."""

    until: int
    crashes: int
    condemned: bool


class Suspects:
    """The suspects and the mark of one partition assignment."""

    def __init__(self, start: int, suspects: tuple[Span, ...] = ()) -> None:
        """`start`: the first offset that this assignment delivers."""
        self._spans = suspects
        self._work = Work.NONE
        self._closed = False
        self._reserved = start
        self._marked_at = start
        self._written: Mark | None = None

    @property
    def spans(self) -> tuple[Span, ...]:
        """What has to be tried before anything else of this process is worked on."""
        return self._spans

    def allows(self, offset: int) -> bool:
        """Whether a record may be worked on now: a mark that speaks of it has been written."""
        return offset < self._reserved

    def mark(self, position: int) -> Mark:
        """What the metadata of an offset that is committed now has to say; `position` is the next one to deliver."""
        if self._closed or self._spans:
            return Mark(self._work, self._spans)
        ahead = max(RESERVED_LEAST, 2 * (position - self._marked_at))
        return Mark(Work.TOGETHER, (Span(max(self._reserved, position + ahead)),))

    def due(self, position: int) -> bool:
        """Whether the mark has to be written even if no offset moves."""
        if self._closed or self._spans:
            return self._written != Mark(self._work, self._spans)
        return self._reserved - position < RESERVED_LEAST // 2

    def written(self, mark: Mark, position: int) -> None:
        """The group coordinator has acknowledged this mark, made at this position."""
        self._written = mark
        if mark.work is Work.TOGETHER and not self._spans and mark.spans and not mark.spans[0].crashes:
            self._reserved = max(self._reserved, mark.spans[0].until)
            self._marked_at = position

    def next_trial(self, offsets: Sequence[int]) -> Trial | None:
        """Choose from records that wait, the lowest first; None when no suspect is left. Its mark is due then."""
        while self._spans and self._spans[0].until <= offsets[0]:
            self._spans = self._spans[1:]
        if not self._spans:
            self._work = Work.NONE
            return None
        span, *rest = self._spans
        if span.condemned:
            self._work = Work.NONE
            return Trial(span.until, span.crashes, condemned=True)
        alone = span.crashes > 1 or span.until - offsets[0] <= LONE_SPAN
        last = offsets[0] if alone else offsets[min(GROUP_RECORDS, len(offsets)) - 1]
        until = min(span.until, last + 1)
        remainder = [Span(span.until, span.crashes)] if until < span.until else []
        self._spans = (replace(span, until=until), *remainder, *rest)
        self._work = Work.ALONE if alone else Work.TOGETHER
        return Trial(until, span.crashes, condemned=False)

    def survived(self) -> None:
        """The records of the last trial are done."""
        self._spans = self._spans[1:]
        self._work = Work.NONE

    def close(self) -> None:
        """Nothing is in flight any more: the next owner need not count a crash."""
        self._closed = True
        self._work = Work.NONE
