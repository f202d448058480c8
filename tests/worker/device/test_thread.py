import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.device.thread import Device, score_or_bisect
from worker.errors import DeviceError


def doubling_except(poison: set[int], calls: list[int] | None = None):
    def score(items: Sequence[int]) -> list[int]:
        if calls is not None:
            calls.append(len(items))
        if poison & set(items):
            raise RuntimeError("poison")
        return [2 * item for item in items]

    return score


def test_a_good_batch_takes_one_pass():
    calls: list[int] = []
    assert score_or_bisect(doubling_except(set(), calls), [1, 2, 3]).outcomes == [2, 4, 6]
    assert calls == [3]


def test_one_bad_item_fails_alone_in_a_logarithmic_number_of_passes():
    result = score_or_bisect(doubling_except({37}), list(range(64)))
    assert isinstance(result.outcomes[37], RuntimeError)
    assert [outcome for index, outcome in enumerate(result.outcomes) if index != 37] == [
        2 * index for index in range(64) if index != 37
    ]
    assert result.failed_passes == 7


@given(st.sets(st.integers(0, 29)), st.integers(1, 30))
def test_exactly_the_failing_items_fail_and_the_order_is_kept(poison, count):
    result = score_or_bisect(doubling_except(poison), list(range(count)))
    assert [isinstance(outcome, RuntimeError) for outcome in result.outcomes] == [
        index in poison for index in range(count)
    ]
    assert all(outcome == 2 * index for index, outcome in enumerate(result.outcomes) if index not in poison)


def test_memory_that_does_not_suffice_for_the_whole_suffices_for_the_parts():
    class OutOfMemoryError(RuntimeError): ...

    def score(items: Sequence[int]) -> list[int]:
        if len(items) > 4:
            raise OutOfMemoryError
        return list(items)

    result = score_or_bisect(score, list(range(16)))
    assert result.outcomes == list(range(16))
    assert result.out_of_memory


def test_a_broken_device_blames_no_record():
    class AcceleratorError(RuntimeError): ...

    def score(items: Sequence[int]) -> list[int]:
        raise AcceleratorError("an illegal memory access was encountered")

    with pytest.raises(DeviceError, match="illegal memory access"):
        score_or_bisect(score, [1, 2])


async def test_a_batch_that_never_ends_is_a_broken_device(monkeypatch: pytest.MonkeyPatch):
    class Stuck:
        released = threading.Event()

        def score(self, batch):
            self.released.wait(20)
            return []

    monkeypatch.setattr("worker.device.thread.STUCK_SECONDS_LEAST", 0.05)
    device, stuck = Device(), Stuck()
    with pytest.raises(DeviceError, match="not done after"):
        await device.score(stuck, [], predicted_seconds=0.001)
    stuck.released.set()
    device.close()


async def test_patience_counts_from_the_beginning_of_a_pass(monkeypatch: pytest.MonkeyPatch):
    class Quick:
        def score(self, batch):
            return [[np.zeros(1, np.float32)] for _ in batch]

    monkeypatch.setattr("worker.device.thread.STUCK_SECONDS_LEAST", 0.05)
    device, blocked = Device(), threading.Event()
    before = asyncio.create_task(device.run(blocked.wait, 20))
    batch = asyncio.create_task(device.score(Quick(), [], predicted_seconds=0.001))
    await asyncio.sleep(0.2)
    blocked.set()
    assert (await batch).failed_passes == 0
    await before
    device.close()


async def test_preparing_that_never_ends_is_a_broken_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("worker.device.thread.STUCK_SECONDS_LEAST", 0.05)
    device, released = Device(), threading.Event()
    with pytest.raises(DeviceError, match="preparing label sets is not done after"):
        await device.prepare(lambda: released.wait(20))
    released.set()
    device.close()


async def test_everything_runs_on_one_thread_that_is_not_the_event_loops():
    device = Device()
    threads = {await device.run(threading.get_ident) for _ in range(5)}
    device.close()
    assert len(threads) == 1
    assert threading.get_ident() not in threads
