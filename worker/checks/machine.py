"""`gliclass-worker check`, the part on this machine: processors, the admin port, the traces' collector, the cache."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from model.errors import ModelError
from model.starter import default_cache_dir
from schemas.settings import AdminSettings, Settings
from worker.checks.result import CheckResult, Outcome
from worker.device.openmp import COUNT
from worker.device.processors import Processors, processors
from worker.errors import AdminError, MissingExporterError
from worker.health.admin_port import listen
from worker.telemetry.tracing import otlp_exporter

PROCESSORS, ADMIN_PORT, TRACES, CACHE = "processors", "admin port", "traces", "cache"
COLLECTOR_SECONDS = 2.0


async def check_machine(settings: Settings) -> AsyncIterator[CheckResult]:
    """What a start needs of this machine, beside the brokers and the model."""
    yield processor_result(processors(), settings.model.threads, os.environ.get(COUNT))
    yield _admin_port(settings.admin)
    if settings.telemetry.otlp_endpoint is not None:
        yield await _traces(settings.telemetry.otlp_endpoint)
    yield _cache()


def processor_result(found: Processors, setting: int | None, variable: str | None) -> CheckResult:
    """Whether more threads are asked for, by `model.threads` or OMP_NUM_THREADS, than can run at once."""
    threads = setting if setting is not None else int(variable) if variable and variable.isdigit() else found.threads
    detail = f"{found}; {threads} thread{'' if threads == 1 else 's'} a pass"
    if threads <= max(1.0, found.usable):
        return CheckResult(PROCESSORS, Outcome.OK, detail)
    chosen = f"model.threads {threads}" if setting is not None else f"{COUNT}={threads}"
    fix = (
        f"{chosen} is more than can run at once, so passes stop again and again: leave it out, or take {found.threads}"
    )
    return CheckResult(PROCESSORS, Outcome.WARNING, f"{detail}; {fix}")


def _admin_port(admin: AdminSettings) -> CheckResult:
    try:
        listener = listen(admin.host, admin.port)
    except AdminError as error:
        detail = f"{error}; a worker that already runs on this host has it: each one on a host needs a port of its own"
        return CheckResult(ADMIN_PORT, Outcome.FAILED, detail)
    listener.close()
    return CheckResult(ADMIN_PORT, Outcome.OK, f"{admin.host}:{admin.port or 'any free port'}")


async def _traces(endpoint: str) -> CheckResult:
    try:
        otlp_exporter(endpoint).shutdown()
    except MissingExporterError as error:
        return CheckResult(TRACES, Outcome.FAILED, str(error))
    except ValueError as error:
        return CheckResult(TRACES, Outcome.FAILED, f"telemetry.otlp_endpoint {endpoint}: {error}")
    url = urlsplit(endpoint)
    try:
        async with asyncio.timeout(COLLECTOR_SECONDS):
            port = url.port or (443 if url.scheme == "https" else 80)
            _, writer = await asyncio.open_connection(url.hostname, port)
    except ValueError as error:
        return CheckResult(TRACES, Outcome.FAILED, f"telemetry.otlp_endpoint {endpoint}: {error}")
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        detail = f"no collector answers at {endpoint} ({reason}): spans would be dropped until one does"
        return CheckResult(TRACES, Outcome.WARNING, detail)
    writer.close()
    with contextlib.suppress(OSError):  # a collector that hangs up on a connection without a request did answer
        await writer.wait_closed()
    return CheckResult(TRACES, Outcome.OK, f"a collector answers at {endpoint}")


def _cache() -> CheckResult:
    try:
        folder = default_cache_dir()
        _try_to_write(folder)
    except ModelError as error:
        return CheckResult(CACHE, Outcome.WARNING, str(error))
    except OSError as error:
        detail = (
            f"{error.filename or 'the cache'} cannot be written ({error.strerror}): each start measures the device "
            "anew, and the starter cannot be built; set XDG_CACHE_HOME to a folder that can"
        )
        return CheckResult(CACHE, Outcome.WARNING, detail)
    return CheckResult(CACHE, Outcome.OK, str(folder))


def _try_to_write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    trial = folder / f".trial-{socket.gethostname()}-{os.getpid()}"
    trial.write_bytes(b"")
    trial.unlink()
