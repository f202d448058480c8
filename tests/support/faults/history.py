"""What was written, read and committed during a run, and what is wrong with it: pure. The words are Jepsen's."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

CLOCK_STEP_SECONDS = 0.002
"""Kafka's timestamps are whole milliseconds, ours are not: an append may seem this much later than it was."""

Partition = tuple[str, int]
Source = tuple[str, int, int]
"""topic, partition, offset"""


class Kind(StrEnum):
    """What can be wrong."""

    LOST_WRITE = "lost-write"
    """An input has no output although the group's offset has passed it: nobody will ever look at it again."""
    UNSEEN = "unseen"
    """An input has no output, and the group's offset has not passed it: slow or stuck, not lost."""
    DUPLICATE = "duplicate"
    """An input has more outputs than its mode allows."""
    INCONSISTENT_DUPLICATE = "inconsistent-duplicate"
    """Two outputs of one input differ in id or decision."""
    NONMONOTONIC = "nonmonotonic"
    """Of one key, the first output of a later input comes before that of an earlier one."""
    NONMONOTONIC_COMMIT = "nonmonotonic-commit"
    """The group's offset went backwards, for longer than the run allows."""
    PREMATURE_COMMIT = "premature-commit"
    """The group's offset had passed an input before its output was in the log."""
    PHANTOM = "phantom"
    """An output belongs to no input, or to another than it says."""
    ABORTED_READ = "aborted-read"
    """An output belongs to an input whose transaction was aborted."""


@dataclass(frozen=True, slots=True)
class Input:
    """A record that the worker has to bring out. `written_at`: Unix seconds."""

    source: Source
    key: str
    sequence: int
    uuid: str
    written_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Output:
    """An enriched record or a dead letter, where it lies in its own topic, and of which input it claims to be."""

    source: Source
    uuid: str
    at: Source
    appended_at: float
    content: str
    """What has to be equal in every copy: id and decision."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The group's committed offsets, as an onlooker was told them at this time (Unix seconds)."""

    at: float
    offsets: Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that is wrong."""

    kind: Kind
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True)
class History:
    """One run.

    repeats_allowed: copies that at-least-once delivery may make in all; 0 for exactly once.
    rewind_seconds: how long the group's offset may lie below what it was, where commits arrive after newer ones; the
        group coordinator knows no order of commits within a generation.
    """

    inputs: Collection[Input]
    outputs: Collection[Output]
    samples: Collection[Sample] = ()
    repeats_allowed: int = 0
    rewind_seconds: float = 0.0
    aborted_uuids: Collection[str] = field(default_factory=frozenset)

    @property
    def repeats(self) -> int:
        """Outputs beyond the first of each input."""
        return len(self.outputs) - len({output.source for output in self.outputs})

    @property
    def missing(self) -> list[Input]:
        """Inputs without an output."""
        found = {output.source for output in self.outputs}
        return [each for each in self.inputs if each.source not in found]


def check(history: History) -> list[Anomaly]:
    """Everything that is wrong with a run that has come to rest; empty when nothing is."""
    return [
        *_missing(history),
        *_strangers(history),
        *_duplicates(history),
        *_key_order(history),
        *_rewinds(history),
        *_commits(history),
    ]


def _missing(history: History) -> Iterable[Anomaly]:
    committed: dict[Partition, int] = {}
    for sample in history.samples:
        committed |= sample.offsets
    for each in history.missing:
        passed = committed.get(each.source[:2], 0) > each.source[2]
        yield Anomaly(Kind.LOST_WRITE if passed else Kind.UNSEEN, _name(each))


def _strangers(history: History) -> Iterable[Anomaly]:
    by_source = {each.source: each for each in history.inputs}
    for output in history.outputs:
        if output.uuid in history.aborted_uuids:
            yield Anomaly(Kind.ABORTED_READ, f"{output.at} is of {output.uuid}, which was taken back")
            continue
        claimed = by_source.get(output.source)
        if claimed is None:
            yield Anomaly(Kind.PHANTOM, f"{output.at} names {output.source}, which nobody wrote")
        elif claimed.uuid != output.uuid:
            yield Anomaly(Kind.PHANTOM, f"{output.at} names {_name(claimed)} and carries {output.uuid}")


def _duplicates(history: History) -> Iterable[Anomaly]:
    copies: defaultdict[Source, list[Output]] = defaultdict(list)
    for output in history.outputs:
        copies[output.source].append(output)
    repeated = {source: outputs for source, outputs in copies.items() if len(outputs) > 1}
    for source, outputs in repeated.items():
        if len({output.content for output in outputs}) > 1:
            yield Anomaly(Kind.INCONSISTENT_DUPLICATE, f"{source}: {sorted({output.content for output in outputs})}")
    if history.repeats > history.repeats_allowed:
        first = next(iter(repeated.items()))
        yield Anomaly(
            Kind.DUPLICATE,
            f"{history.repeats} copies of {len(repeated)} inputs, {history.repeats_allowed} allowed; "
            f"as {first[0]} at {[output.at for output in first[1]]}",
        )


def _key_order(history: History) -> Iterable[Anomaly]:
    """Dead letters lie in a topic of their own, so order is a matter of each topic partition alone."""
    inputs = {each.source: each for each in history.inputs}
    seen: set[tuple[Partition, Source]] = set()
    newest: dict[tuple[Partition, Partition, str], Input] = {}
    for output in sorted(history.outputs, key=lambda output: output.at):
        place, found = output.at[:2], inputs.get(output.source)
        if found is None or (place, output.source) in seen:
            continue
        seen.add((place, output.source))
        lane = (place, output.source[:2], found.key)
        earlier = newest.get(lane)
        if earlier is not None and found.sequence < earlier.sequence:
            yield Anomaly(Kind.NONMONOTONIC, f"{_name(found)} comes out at {output.at}, after {_name(earlier)}")
        else:
            newest[lane] = found


def _rewinds(history: History) -> Iterable[Anomaly]:
    highest: dict[Partition, int] = {}
    fell: dict[Partition, Sample] = {}
    for sample in history.samples:
        for partition, offset in sample.offsets.items():
            if offset < highest.get(partition, offset):
                fell.setdefault(partition, sample)
                continue
            highest[partition] = offset
            if (since := fell.pop(partition, None)) and sample.at - since.at >= history.rewind_seconds:
                yield _rewind(partition, offset, since, f"for {sample.at - since.at:.3f} s")
    for partition, since in fell.items():
        yield _rewind(partition, highest[partition], since, "and stayed there")


def _rewind(partition: Partition, highest: int, fell: Sample, how_long: str) -> Anomaly:
    return Anomaly(Kind.NONMONOTONIC_COMMIT, f"{partition}: {highest}, then {fell.offsets[partition]} {how_long}")


def _commits(history: History) -> Iterable[Anomaly]:
    newest: dict[Partition, int] = {}
    out_since = _out_since(history)
    for sample in history.samples:
        for partition, offset in sample.offsets.items():
            if offset > newest.get(partition, 0):
                offsets, since = out_since.get(partition, ([], []))
                passed = bisect_left(offsets, offset)
                # An input that never came out is reported as what it is: lost, or unseen.
                if passed and since[passed - 1] > sample.at + CLOCK_STEP_SECONDS:
                    late = since[passed - 1] - sample.at
                    detail = f"{partition}: {offset} was committed {late:.3f} s before an output below it was written"
                    yield Anomaly(Kind.PREMATURE_COMMIT, detail)
            newest[partition] = offset


def _out_since(history: History) -> dict[Partition, tuple[list[int], list[float]]]:
    """Per input partition: the offsets that came out, and since when everything up to each of them had."""
    first: dict[Source, float] = {}
    for output in history.outputs:
        first[output.source] = min(output.appended_at, first.get(output.source, output.appended_at))
    by_partition: defaultdict[Partition, list[tuple[int, float]]] = defaultdict(list)
    for (topic, number, offset), appended_at in sorted(first.items()):
        by_partition[topic, number].append((offset, appended_at))
    return {
        partition: ([offset for offset, _ in found], list(accumulate((at for _, at in found), max)))
        for partition, found in by_partition.items()
    }


def resumed_at(
    since: float, inputs: Iterable[Input], first_out: Mapping[Source, float], partitions: Collection[Partition]
) -> float | None:
    """When every partition had brought out an input written after `since` (Unix seconds); None: not yet."""
    earliest: dict[Partition, float] = {}
    for each in inputs:
        if each.written_at >= since and (out := first_out.get(each.source)) is not None:
            partition = each.source[:2]
            earliest[partition] = min(out, earliest.get(partition, out))
    if any(partition not in earliest for partition in partitions):
        return None
    return max(earliest.values())


def _name(each: Input) -> str:
    topic, partition, offset = each.source
    return f"{topic}-{partition}-{offset} ({each.key} #{each.sequence}, {each.uuid})"
