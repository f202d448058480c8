"""The admin port: /livez, /readyz and /metrics over HTTP, inside the worker's own event loop.

That the loop answers is part of what /livez tells, so it is not moved to a thread.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Generator

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from worker.errors import AdminError
from worker.health.conditions import Health

_START_SECONDS = 5.0
_INDEX = """gliclass-worker {version}
/livez    200 while every loop makes progress, else 503 with the reasons
/readyz   200 while the worker may be counted on, else 503 with the reasons
/metrics  Prometheus metrics
"""


def admin_app(
    health: Health, registry: CollectorRegistry, version: str, clock: Callable[[], float] = time.monotonic
) -> Starlette:
    """The application behind the admin port; it answers GET and HEAD only."""

    async def index(_request: Request) -> Response:
        return PlainTextResponse(_INDEX.format(version=version))

    async def livez(_request: Request) -> Response:
        return _verdict("live", health.not_live(clock()))

    async def readyz(_request: Request) -> Response:
        return _verdict("ready", health.not_ready(clock()))

    def metrics(request: Request) -> Response:
        # Not a coroutine, so that it runs in a thread: with many tenants the text takes tens of milliseconds to write.
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return Starlette(
        routes=[
            Route("/", index, methods=["GET"]),
            Route("/livez", livez, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ]
    )


class AdminServer:
    """Serves an application on `host`:`port`; port 0 takes a free one. Leaves signals to the worker."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=5,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started; before that the one that was asked for."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises AdminError when the address cannot be taken, naming it and the reason."""
        listener = listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="admin")
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if self._serving.done() or time.monotonic() > deadline:
                self._serving.cancel()
                listener.close()
                raise AdminError(f"admin: the HTTP server on {self._host}:{self._port} did not start")
            await asyncio.sleep(0.005)

    async def stop(self, timeout_seconds: float = 2.0) -> None:
        """Stop listening and let running answers end; what is left at the end of the timeout is cut."""
        if self._serving is None:
            return
        serving, self._serving = self._serving, None
        self._server.should_exit = True
        _, pending = await asyncio.wait({serving}, timeout=timeout_seconds)
        if pending:
            self._server.force_exit = True
            serving.cancel()
            await asyncio.wait({serving})
        if not serving.cancelled() and (error := serving.exception()) is not None:
            raise error


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address. Raises AdminError, naming the setting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AdminError(f"admin: cannot listen on {host}: {error}; set admin.host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise AdminError(
            f"admin: cannot listen on {host}:{port}: {error.strerror}; set admin.port to a free port (0 takes any)"
        ) from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn would take SIGTERM for itself, and the worker would never drain.
        yield


def _verdict(name: str, reasons: list[str]) -> Response:
    return JSONResponse({name: not reasons, "reasons": reasons}, status_code=503 if reasons else 200)
