"""The proxies between a client that writes frames and a server that answers each with its correlation id."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.faults.proxy import Api, BrokerProxy, Direction, Proxies

SILENCE_SECONDS = 0.2


class Server:
    """Answers every request at once and remembers the API keys it saw."""

    def __init__(self) -> None:
        self.apis: list[int] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[Server]":
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                api, _, correlation = struct.unpack_from(">hhi", await reader.readexactly(length))
                self.apis.append(api)
                writer.write(struct.pack(">ii", 4, correlation))
        except asyncio.IncompleteReadError:
            writer.close()


class Client:
    """One connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._correlation = 0

    @classmethod
    async def to(cls, proxy: BrokerProxy) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    def ask(self, api: int) -> int:
        self._correlation += 1
        self._writer.write(struct.pack(">ihhi", 8, api, 0, self._correlation))
        return self._correlation

    async def answer(self) -> int:
        async with asyncio.timeout(SILENCE_SECONDS):
            return struct.unpack(">ii", await self._reader.readexactly(8))[1]

    async def late_answer(self) -> int:
        return struct.unpack(">ii", await self._reader.readexactly(8))[1]

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server().running() as running:
        yield running


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[BrokerProxy]:
    with Proxies(1) as proxies:
        proxies.proxies[1].connect_to(server.port)
        yield proxies.proxies[1]


@pytest.fixture
async def client(proxy: BrokerProxy) -> AsyncIterator[Client]:
    connected = await Client.to(proxy)
    yield connected
    connected.close()


async def test_a_healthy_network_passes_every_frame(client: Client):
    for number in (1, 2, 3):
        assert client.ask(Api.PRODUCE) == await client.late_answer() == number


async def test_a_network_frozen_towards_the_broker_keeps_the_request(
    proxy: BrokerProxy, client: Client, server: Server
):
    proxy.hold(Direction.TO_BROKER)
    sent = client.ask(Api.PRODUCE)
    with pytest.raises(TimeoutError):
        await client.answer()
    assert server.apis == []
    proxy.heal()
    assert await client.late_answer() == sent


async def test_a_network_frozen_towards_the_worker_keeps_only_the_answer(
    proxy: BrokerProxy, client: Client, server: Server
):
    proxy.hold(Direction.TO_WORKER)
    sent = client.ask(Api.PRODUCE)
    with pytest.raises(TimeoutError):
        await client.answer()
    assert server.apis == [Api.PRODUCE]
    proxy.heal()
    assert await client.late_answer() == sent


async def test_only_the_chosen_calls_answer_is_held(proxy: BrokerProxy, client: Client, server: Server):
    held = proxy.hold(Direction.TO_WORKER, apis=[Api.END_TRANSACTION])
    assert client.ask(Api.PRODUCE) == await client.late_answer()
    sent = client.ask(Api.END_TRANSACTION)
    await held.caught()
    assert server.apis == [Api.PRODUCE, Api.END_TRANSACTION]
    assert held.frames == 1
    proxy.heal()
    assert await client.late_answer() == sent


async def test_a_held_request_reaches_the_broker_after_its_sender_has_gone(
    proxy: BrokerProxy, client: Client, server: Server
):
    held = proxy.hold(Direction.TO_BROKER, apis=[Api.END_TRANSACTION])
    client.ask(Api.END_TRANSACTION)
    await held.caught()
    client.close()
    await asyncio.sleep(SILENCE_SECONDS)
    assert server.apis == []
    proxy.heal()
    async with asyncio.timeout(10):
        while server.apis != [Api.END_TRANSACTION]:
            await asyncio.sleep(0.01)


async def test_a_delay_lets_the_frame_pass_by_itself(proxy: BrokerProxy, client: Client):
    held = proxy.hold(seconds=0.05)
    assert client.ask(Api.PRODUCE) == await client.late_answer()
    assert held.frames == 2


async def test_a_cut_network_resets_what_is_open_and_refuses_what_is_new(proxy: BrokerProxy, client: Client):
    client.ask(Api.PRODUCE)
    await client.late_answer()
    proxy.cut()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.late_answer()
    refused = await Client.to(proxy)
    refused.ask(Api.PRODUCE)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await refused.late_answer()
    refused.close()
    proxy.heal()
    welcome = await Client.to(proxy)
    assert welcome.ask(Api.PRODUCE) == await welcome.late_answer()
    welcome.close()


async def test_a_broker_that_is_down_ends_the_connection(proxy: BrokerProxy):
    proxy.connect_to(9)
    alone = await Client.to(proxy)
    alone.ask(Api.PRODUCE)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await alone.late_answer()
    alone.close()
