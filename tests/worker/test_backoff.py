import asyncio

import pytest

from worker.backoff import Backoff


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return seconds


async def test_each_wait_is_twice_the_one_before_up_to_the_longest(slept: list[float]):
    backoff = Backoff(0.5, 3.0)
    for _ in range(5):
        await backoff.wait()
    assert slept == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_only_the_first_failure_is_news_until_the_step_succeeds(slept: list[float]):
    backoff = Backoff(1.0, 1.0)
    assert backoff.first
    await backoff.wait()
    assert not backoff.first
    backoff.reset()
    assert backoff.first
    await backoff.wait()
    assert slept == [1.0, 1.0]
