import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.in_flight.offset_tracker import OffsetTracker

sparse_offsets = st.lists(st.integers(1, 50), min_size=1, max_size=40).map(
    lambda gaps: [sum(gaps[: index + 1]) for index in range(len(gaps))]
)


def test_nothing_is_committable_before_a_record_is_complete():
    tracker = OffsetTracker(10)
    tracker.deliver(10)
    assert tracker.uncommitted is None


def test_the_watermark_stops_at_the_lowest_incomplete_record():
    tracker = OffsetTracker(0)
    for offset in (0, 1, 2):
        tracker.deliver(offset)
    tracker.complete(0)
    tracker.complete(2)
    assert tracker.uncommitted == 1
    tracker.complete(1)
    assert tracker.uncommitted == 3


def test_gaps_in_offsets_do_not_hold_the_watermark_back():
    tracker = OffsetTracker(0)
    for offset in (3, 90):
        tracker.deliver(offset)
        tracker.complete(offset)
    assert tracker.watermark == 91


def test_trailing_markers_are_passed_once_nothing_is_in_flight():
    tracker = OffsetTracker(0)
    tracker.deliver(0)
    tracker.skip_to(5)
    assert tracker.watermark == 0
    tracker.complete(0)
    assert tracker.uncommitted == 5


@pytest.mark.parametrize("offset", [3, 9])
def test_a_record_below_the_position_is_refused(offset: int):
    tracker = OffsetTracker(10)
    with pytest.raises(ValueError, match="delivered already"):
        tracker.deliver(offset)


@pytest.mark.parametrize("offset", [4, 5, 8])
def test_completing_what_is_not_in_flight_is_refused(offset: int):
    tracker = OffsetTracker(5)
    tracker.deliver(5)
    tracker.deliver(7)
    tracker.complete(5)
    with pytest.raises(ValueError, match="not in flight"):
        tracker.complete(offset)


def test_completing_twice_is_refused():
    tracker = OffsetTracker(0)
    tracker.deliver(0)
    tracker.deliver(1)
    tracker.complete(1)
    with pytest.raises(ValueError, match="not in flight"):
        tracker.complete(1)


def test_a_commit_past_the_watermark_or_backwards_is_refused():
    tracker = OffsetTracker(0)
    tracker.deliver(0)
    with pytest.raises(ValueError, match="outside"):
        tracker.committed(1)
    tracker.complete(0)
    tracker.committed(1)
    with pytest.raises(ValueError, match="outside"):
        tracker.committed(0)


@given(sparse_offsets, st.randoms(use_true_random=False))
def test_the_watermark_is_monotone_and_never_passes_an_incomplete_record(offsets, random):
    tracker = OffsetTracker(0)
    to_deliver, incomplete = list(offsets), set()
    previous = tracker.watermark
    while to_deliver or incomplete:
        if to_deliver and (not incomplete or random.random() < 0.5):
            offset = to_deliver.pop(0)
            tracker.deliver(offset)
            incomplete.add(offset)
        else:
            offset = random.choice(sorted(incomplete))
            tracker.complete(offset)
            incomplete.remove(offset)
        assert tracker.watermark >= previous
        assert tracker.in_flight == len(incomplete)
        assert not incomplete or tracker.watermark == min(incomplete)
        previous = tracker.watermark
        if tracker.uncommitted is not None and random.random() < 0.3:
            tracker.committed(tracker.uncommitted)
    assert tracker.watermark == offsets[-1] + 1
