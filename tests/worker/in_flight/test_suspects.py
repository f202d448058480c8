import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.suspects import GROUP_RECORDS, LONE_SPAN, RESERVED_LEAST, Mark, Span, Suspects, Trial, Work


class Log:
    """A partition whose records end the process when they are poisonous; what its owners leave behind survives them."""

    def __init__(self, offsets: list[int], poison: set[int]) -> None:
        self.offsets, self.poison = offsets, poison
        self.committed, self.metadata = offsets[0], ""
        self.done: list[int] = []
        self.condemned: list[int] = []
        self.end = offsets[-1] + 1

    def write(self, offset: int, suspects: Suspects, position: int) -> None:
        mark = suspects.mark(position)
        self.committed, self.metadata = offset, mark.encode()
        suspects.written(mark, position)

    def run(self, in_flight: int, kill_after: int | None = None) -> bool:
        """One process, with so many records in flight at most; False when it died. Killed before its n-th step."""
        suspects = Suspects(self.committed, Mark.parse(self.metadata).suspects(self.committed, self.end))
        for step in range(10_000):
            waiting = [offset for offset in self.offsets if offset >= self.committed]
            if not waiting:
                suspects.close()
                self.write(self.committed, suspects, self.committed)
                return True
            trial = suspects.next_trial(waiting) if suspects.spans else None
            if trial is None:
                flight = waiting[:in_flight]
                if not suspects.allows(flight[-1]):
                    self.write(self.committed, suspects, flight[-1] + 1)
            else:
                flight = [offset for offset in waiting if offset < trial.until]
                self.write(self.committed, suspects, flight[-1] + 1)
                if trial.condemned:
                    self.condemned += flight
            if kill_after == step or (not (trial and trial.condemned) and self.poison & set(flight)):
                return False
            self.done += flight
            self.committed = flight[-1] + 1
            if trial is not None:
                suspects.survived()
            self.write(self.committed, suspects, self.committed)
        raise AssertionError("it never ends")


def run_until_done(log: Log, in_flight: int, most_crashes: int) -> int:
    for crashes in range(most_crashes + 1):
        if log.run(in_flight):
            return crashes
    raise AssertionError(f"not done after {most_crashes} crashes: condemned {log.condemned}")


def test_a_stream_without_crashes_has_no_suspects_and_leaves_no_mark():
    log = Log(list(range(3000)), set())
    assert log.run(in_flight=100)
    assert (log.done, log.metadata, log.condemned) == (list(range(3000)), "", [])


@pytest.mark.parametrize("poison", [0, 1, 50, 63])
def test_a_poisonous_record_is_condemned_after_three_crashes_and_its_neighbours_are_done(poison: int):
    log = Log(list(range(LONE_SPAN)), {poison})
    assert run_until_done(log, in_flight=200, most_crashes=10) == 3
    assert log.condemned == [poison]
    assert sorted(set(log.done)) == list(range(LONE_SPAN))


def test_among_thousands_in_flight_a_fourth_crash_narrows_it_down():
    log = Log(list(range(5000)), {3456})
    assert run_until_done(log, in_flight=5000, most_crashes=10) == 4
    assert log.condemned == [3456]


def test_two_poisonous_records_side_by_side_are_both_found():
    log = Log(list(range(100)), {40, 41})
    run_until_done(log, in_flight=100, most_crashes=10)
    assert log.condemned == [40, 41]


@given(
    offsets=st.sets(st.integers(0, 4000), min_size=1, max_size=600).map(sorted),
    data=st.data(),
    in_flight=st.integers(1, 700),
)
def test_exactly_the_poison_is_condemned_whatever_the_gaps_between_offsets(
    offsets: list[int], data: st.DataObject, in_flight: int
):
    poison = data.draw(st.sets(st.sampled_from(offsets), max_size=3))
    log = Log(offsets, poison)
    run_until_done(log, in_flight, most_crashes=4 * len(poison))
    assert sorted(log.condemned) == sorted(poison)
    assert set(log.done) == set(offsets)


@given(st.lists(st.integers(0, 40), max_size=2), st.integers(1, 300))
def test_an_innocent_record_survives_two_kills_wherever_they_fall(kills: list[int], in_flight: int):
    log = Log(list(range(300)), set())
    for kill_after in kills:
        log.run(in_flight, kill_after)
    assert log.run(in_flight)
    assert log.condemned == []
    assert set(log.done) == set(range(300))


def test_a_suspect_that_is_done_clears_those_before_it_for_the_next_owner():
    mark = Mark(Work.TOGETHER, (Span(64, 1), Span(500, 1)))
    assert mark.suspects(offset=64, end=1000) == (Span(500, 1),)
    assert mark.suspects(offset=30, end=1000) == (Span(64, 2), Span(500, 1))


def test_only_records_that_the_log_has_are_suspects():
    mark = Mark(Work.TOGETHER, (Span(RESERVED_LEAST),))
    assert mark.suspects(offset=0, end=0) == ()
    assert mark.suspects(offset=0, end=10) == (Span(10, 1),)


def test_an_owner_that_left_orderly_makes_no_suspects():
    suspects = Suspects(0)
    suspects.written(suspects.mark(0), 0)
    suspects.close()
    assert suspects.due(100)
    assert suspects.mark(100).encode() == ""
    suspects.written(suspects.mark(100), 100)
    assert not suspects.due(100)


def test_an_owner_that_leaves_in_the_middle_of_a_trial_passes_the_suspects_on_without_a_crash():
    suspects = Suspects(0, (Span(50, 1),))
    suspects.next_trial(range(50))
    assert suspects.mark(50) == Mark(Work.ALONE, (Span(1, 1), Span(50, 1)))
    suspects.close()
    assert suspects.mark(50).suspects(0, 1000) == (Span(1, 1), Span(50, 1))


def test_a_wide_span_is_tried_in_groups_and_a_narrow_one_record_by_record():
    assert Suspects(0, (Span(LONE_SPAN + 1, 1),)).next_trial(range(1000)) == Trial(GROUP_RECORDS, 1, condemned=False)
    assert Suspects(0, (Span(LONE_SPAN, 1),)).next_trial(range(1000)) == Trial(1, 1, condemned=False)
    assert Suspects(0, (Span(LONE_SPAN + 1, 2),)).next_trial(range(1000)) == Trial(1, 2, condemned=False)
    assert Suspects(0, (Span(1, 3, 2),)).next_trial(range(1000)) == Trial(1, 3, condemned=True)
    assert Suspects(0, (Span(1, 3, 1),)).next_trial(range(1000)) == Trial(1, 3, condemned=False)


def test_a_stream_that_is_faster_than_its_marks_is_marked_further_ahead():
    suspects = Suspects(0)
    assert not suspects.allows(0)
    suspects.written(suspects.mark(0), 0)
    assert (suspects.allows(RESERVED_LEAST - 1), suspects.allows(RESERVED_LEAST)) == (True, False)
    assert (suspects.due(RESERVED_LEAST // 2), suspects.due(RESERVED_LEAST // 2 + 1)) == (False, True)
    suspects.written(suspects.mark(3000), 3000)
    assert suspects.allows(3000 + 6000 - 1)


@given(
    st.sampled_from(Work),
    st.lists(st.builds(Span, st.integers(0, 2**62), st.integers(0, 9), st.integers(0, 9)), max_size=5),
)
def test_a_mark_is_read_as_it_was_written_and_is_short(work: Work, spans: list[Span]):
    mark = Mark(work, tuple(spans))
    assert Mark.parse(mark.encode()) == (mark if spans else Mark())
    assert len(mark.encode()) < 200


@pytest.mark.parametrize("metadata", ["", "written by another tool", "gliclass-worker/2 together 1:0:0"])
def test_the_metadata_of_somebody_else_says_nothing(metadata: str):
    assert Mark.parse(metadata) == Mark()


@pytest.mark.parametrize("metadata", ["gliclass-worker/1", "gliclass-worker/1 x 1:0:0", "gliclass-worker/1 alone 1:b"])
def test_a_mark_of_ours_that_is_broken_is_refused(metadata: str):
    with pytest.raises(ValueError, match=r"\w"):
        Mark.parse(metadata)
