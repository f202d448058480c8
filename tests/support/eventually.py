"""Waiting for what another process or task brings about."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

POLL_SECONDS = 0.03
LONGEST_SHOWN = 2000

T = TypeVar("T")


async def eventually(
    look: Callable[[], T | Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    what: str,
    timeout_seconds: float = 60.0,
) -> T:
    """Look again and again until what is seen holds, and give it; AssertionError with what was seen last.

    `look` runs in a thread, as it may block; the coroutine that it may give instead of a value runs here. `what` names
    what is waited for.
    """
    last = "nothing"
    limit = asyncio.timeout(timeout_seconds)
    try:
        async with limit:
            while True:
                given = await asyncio.to_thread(look)
                seen = cast(T, await given if inspect.isawaitable(given) else given)
                if holds(seen):
                    return seen
                last = repr(seen)[:LONGEST_SHOWN]
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        if not limit.expired():  # the look's own
            raise
        raise AssertionError(f"not within {timeout_seconds:g} s: {what}; last seen: {last}") from None
