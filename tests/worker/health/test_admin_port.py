import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from worker.errors import AdminError
from worker.health.admin_port import AdminServer, admin_app
from worker.health.conditions import Health
from worker.telemetry.metrics import Metrics


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Served:
    """An admin server on a free loopback port, with what it reports on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.health = Health(["assigned"])
        self.metrics = Metrics()
        self.app = admin_app(self.health, self.metrics.registry, "1.2.3", self.clock)
        self.server = AdminServer(self.app, "127.0.0.1", port=0)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    await served.server.start()
    yield served
    await served.server.stop()


async def request(served: Served, path: str, method: str = "GET", accept: str = "*/*") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{served.server.port}{path}"
        return await client.request(method, url, headers={"accept": accept}, timeout=30)


async def test_live_until_a_loop_falls_silent(served: Served) -> None:
    served.health.watch("fetch", max_silence_seconds=10, now=0)
    answer = await request(served, "/livez")
    assert (answer.status_code, answer.json()) == (200, {"live": True, "reasons": []})
    served.clock.now = 12.0
    answer = await request(served, "/livez")
    assert answer.status_code == 503
    assert answer.json() == {"live": False, "reasons": ["fetch: no progress for 12.0 s (limit 10 s)"]}


async def test_ready_once_its_conditions_are_met(served: Served) -> None:
    answer = await request(served, "/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reasons": ["assigned: not yet"]})
    served.health.meet("assigned")
    assert (await request(served, "/readyz")).status_code == 200


async def test_metrics_are_prometheus_text(served: Served) -> None:
    served.metrics.records_consumed.labels("tickets").inc(3)
    answer = await request(served, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'gliclass_records_consumed_total{topic="tickets"} 3.0' in answer.text


async def test_metrics_are_openmetrics_for_a_client_that_asks(served: Served) -> None:
    answer = await request(served, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_the_index_says_what_is_here(served: Served) -> None:
    answer = await request(served, "/")
    assert answer.status_code == 200
    assert "1.2.3" in answer.text
    for path in ("/livez", "/readyz", "/metrics"):
        assert path in answer.text


@pytest.mark.parametrize("path", ["/", "/livez", "/metrics"])
async def test_head_is_answered_without_a_body(served: Served, path: str) -> None:
    answer = await request(served, path, method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed_through_it(served: Served, method: str) -> None:
    assert (await request(served, "/readyz", method=method)).status_code == 405


async def test_another_path_is_not_found(served: Served) -> None:
    assert (await request(served, "/livez/../secret")).status_code == 404


async def test_signals_stay_with_the_worker() -> None:
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in signals]
    served = Served()
    await served.server.start()
    assert [signal.getsignal(number) for number in signals] == before
    await served.server.stop()


async def test_a_port_in_use_is_named_with_what_to_change(served: Served) -> None:
    second = AdminServer(served.app, "127.0.0.1", port=served.server.port)
    with pytest.raises(AdminError, match=rf"127\.0\.0\.1:{served.server.port}: .*in use; set admin\.port"):
        await second.start()
    await second.stop()


async def test_a_host_that_is_not_ours_is_named() -> None:
    with pytest.raises(AdminError, match=r"203\.0\.113\.7"):
        await AdminServer(Served().app, host="203.0.113.7", port=0).start()


async def test_the_port_is_free_again_after_stop() -> None:
    served = Served()
    await served.server.start()
    port = served.server.port
    assert port != 0
    await served.server.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass
    await served.server.stop()


async def test_a_client_that_never_finishes_its_request_does_not_hold_up_the_stop() -> None:
    served = Served()
    await served.server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: ")
    await writer.drain()
    async with asyncio.timeout(30):
        await served.server.stop(timeout_seconds=0.5)
    writer.close()
