import asyncio

import pytest
from support.eventually import eventually


async def test_what_is_seen_when_it_holds_is_given():
    seen = iter([1, 2, 3, 4])
    assert await eventually(lambda: next(seen), lambda number: number > 2, what="a number above 2") == 3


async def test_a_look_may_be_a_coroutine():
    seen = iter([0, 7])

    async def look() -> int:
        return next(seen)

    assert await eventually(look, what="a number") == 7


async def test_what_never_holds_is_named_with_what_was_seen_last():
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: a number above 2; last seen: 1"):
        await eventually(lambda: 1, lambda number: number > 2, what="a number above 2", timeout_seconds=0.1)


async def test_a_look_that_hangs_ends_with_the_time_that_it_has():
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: an end; last seen: nothing"):
        await eventually(asyncio.Event().wait, what="an end", timeout_seconds=0.1)


async def test_a_timeout_of_the_look_itself_is_no_end_of_patience():
    def look() -> None:
        raise TimeoutError("the broker does not answer")

    with pytest.raises(TimeoutError, match="the broker does not answer"):
        await eventually(look, what="an answer")
