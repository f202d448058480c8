"""TCP proxies between workers and brokers that cut, freeze and delay: a network that fails on demand, without root.

They read Kafka's framing (a length, then for requests API key, version and correlation id), so that one chosen call, or
the answer to it, can be held while everything else passes.
"""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Coroutine, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

LARGEST_FRAME_BYTES = 128 * 1024 * 1024
START_SECONDS = 10.0


class Direction(StrEnum):
    """Which way a frame goes."""

    TO_BROKER = "to broker"
    TO_WORKER = "to worker"


BOTH = (Direction.TO_BROKER, Direction.TO_WORKER)


class Api:
    """Kafka's API keys of the calls that matter here."""

    PRODUCE = 0
    OFFSET_COMMIT = 8
    ADD_PARTITIONS_TO_TRANSACTION = 24
    ADD_OFFSETS_TO_TRANSACTION = 25
    END_TRANSACTION = 26
    TRANSACTION_OFFSET_COMMIT = 28


class Hold:
    """Keeps every frame of one direction, or those of the chosen APIs, for a time or until released.

    Held requests reach the broker afterwards even if the client has long closed its connection, as segments in a
    sender's buffer do. Frames behind a held one wait too, as on any stream.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        directions: Sequence[Direction],
        apis: Sequence[int],
        seconds: float | None,
    ) -> None:
        self._loop = loop
        self._directions = directions
        self._apis = apis
        self.seconds = seconds
        self._released = asyncio.Event()
        self._caught = threading.Event()
        self._expired = False
        self.frames = 0

    def matches(self, direction: Direction, api: int | None) -> bool:
        chosen = direction in self._directions and (not self._apis or api in self._apis)
        return chosen and not self._expired and not self._released.is_set()

    async def keep(self) -> None:
        """Return when the frame may go on."""
        self.frames += 1
        self._caught.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), self.seconds)

    async def caught(self, timeout_seconds: float = 30.0) -> None:
        """Wait until a frame is held; AssertionError when none comes."""
        assert await asyncio.to_thread(self._caught.wait, timeout_seconds), f"no frame of {self._apis} came"

    def release(self) -> None:
        """Let go of what is held, and hold nothing more."""
        self._loop.call_soon_threadsafe(self._released.set)

    def expire(self) -> None:
        """Hold nothing more; what is held waits out its time."""
        self._expired = True


class BrokerProxy:
    """What workers take for one broker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._target_port = 0
        self._holds: list[Hold] = []
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def connect_to(self, port: int) -> None:
        """Where the broker really listens."""
        self._target_port = port

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._cut = True
        self._loop.call_soon_threadsafe(self._reset)

    def hold(self, *directions: Direction, apis: Sequence[int] = (), seconds: float | None = None) -> Hold:
        """Hold frames from now on: all of these directions, or only the given APIs'; `seconds` None: until released."""
        held = Hold(self._loop, directions or BOTH, apis, seconds)
        self._holds.append(held)
        return held

    def heal(self) -> None:
        """Let everything pass again, what was held first."""
        self._cut = False
        holds, self._holds = self._holds, []
        for held in holds:
            held.release()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._reset()

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, from_worker: asyncio.StreamReader, to_worker: asyncio.StreamWriter) -> None:
        to_broker = None
        self._writers.add(to_worker)
        try:
            if self._cut:
                return
            from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(to_broker)
            apis: dict[int, int] = {}
            answers = asyncio.create_task(self._answers(from_broker, to_worker, apis))
            await self._requests(from_worker, to_broker, apis)
            answers.cancel()
        except OSError:
            return  # the broker is down: the worker's connection ends, as it would without us
        finally:
            for writer in (to_worker, to_broker):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, apis: dict[int, int]) -> None:
        while frame := await _frame(reader):
            api, _, correlation = struct.unpack_from(">hhi", frame)
            apis[correlation] = api
            await self._pass(Direction.TO_BROKER, api)
            await _send(writer, frame)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, apis: dict[int, int]) -> None:
        try:
            while frame := await _frame(reader):
                (correlation,) = struct.unpack_from(">i", frame)
                await self._pass(Direction.TO_WORKER, apis.pop(correlation, None))
                await _send(writer, frame)
        finally:
            writer.close()  # the broker hung up, or the worker did: either way nothing more is answered

    async def _pass(self, direction: Direction, api: int | None) -> None:
        while held := next((hold for hold in self._holds if hold.matches(direction, api)), None):
            await held.keep()
            if held.seconds is not None:
                return


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame without its length; None at the end of the stream."""
    try:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        assert 0 < length <= LARGEST_FRAME_BYTES, f"no Kafka frame: {length} bytes"
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    with contextlib.suppress(OSError):  # the other side has gone; the reading side notices and ends
        writer.write(struct.pack(">i", len(frame)) + frame)
        await writer.drain()


class Proxies:
    """One proxy for each broker, numbered from 1, in a thread of their own: a test that blocks does not stop them."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self.proxies = {number: BrokerProxy(self._loop) for number in range(1, count + 1)}

    def __enter__(self) -> Self:
        self._thread.start()
        for proxy in self.proxies.values():
            self._call(proxy.listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proxy in self.proxies.values():
            self._call(proxy.close())
        self._call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(proxy.port for proxy in self.proxies.values())

    def heal(self) -> None:
        for proxy in self.proxies.values():
            proxy.heal()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START_SECONDS)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
