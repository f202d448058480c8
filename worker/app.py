"""Runs one worker: signals, the admin port, and with which status it ends."""

import asyncio
import gc
import importlib.metadata
import socket
import sys
import uuid

import structlog
from aiokafka.errors import KafkaError

from model.errors import ModelError
from schemas.settings import Settings
from worker.assembly import Assembled, assemble
from worker.device.thread import Device
from worker.errors import ExitStatus, WorkerError
from worker.health.admin_port import AdminServer, admin_app
from worker.health.conditions import Health
from worker.health.stopping import StopSignal
from worker.kafka.error_mapping import Operation, judge
from worker.stream.recorder import CONDITIONS, Recorder
from worker.telemetry.logging import configure
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import Tracing, otlp_exporter

log = structlog.get_logger(__name__)

EXPECTED_ERRORS = (WorkerError, ModelError, KafkaError)
"""What ends a worker with a line in its log; anything else does so with its stack."""

REBALANCES_OF_SILENCE = 2
"""The fetch loop rightly makes no turn while a rebalance lasts; twice its time limit is too long for any loop."""

FLUSH_SECONDS = 2.0
COLLECTION_THRESHOLDS = (20_000, 20, 100)
SWITCH_SECONDS = 0.001
"""How long the event loop and the device thread, which takes the interpreter's lock again after every operation, wait
for it while another thread computes. Python's own 5 ms are longer than most operations."""


async def run_worker(settings: Settings) -> int:
    """Run until a stop is requested or something ends the worker; gives the exit status."""
    configure(settings.telemetry.log_level, settings.telemetry.log_format)
    stop = StopSignal(settings.delivery.drain_budget_seconds)
    stop.install()
    try:
        await _run(settings, stop)
    except BaseExceptionGroup as group:
        return _log_ends(group)
    except EXPECTED_ERRORS as error:
        return _log_ends(BaseExceptionGroup("worker", [error]))
    finally:
        stop.close()
    log.info("stopped")
    return ExitStatus.OK


async def _run(settings: Settings, stop: StopSignal) -> None:
    version = importlib.metadata.version("gliclass-worker")
    metrics = Metrics(most_tenants=settings.telemetry.tenants_in_metrics)
    health, device = Health(CONDITIONS), Device()
    metrics.build_info.labels(version).set(1)
    endpoint = settings.telemetry.otlp_endpoint
    tracing = Tracing(
        otlp_exporter(endpoint) if endpoint else None,
        sample_ratio=settings.telemetry.trace_sampling_ratio,
        consumer_group=settings.kafka.group_id,
        instance_id=instance_id(),
        version=version,
    )
    recorder = Recorder(
        metrics, tracing, health, max_silence_seconds=REBALANCES_OF_SILENCE * settings.kafka.rebalance_timeout_seconds
    )
    admin = AdminServer(admin_app(health, metrics.registry, version), settings.admin.host, settings.admin.port)
    await admin.start()
    log.info("starting", version=version, group=settings.kafka.group_id, admin=f"{settings.admin.host}:{admin.port}")
    try:
        assembling = asyncio.create_task(assemble(settings, device, recorder, stop))
        await _ended_or(assembling, stop)
        if not stop.is_requested:
            # A full collection walks every object that torch and transformers have made: it held the event loop, and
            # with it the heartbeats, for a third of a second. What lives as long as the process need not be walked.
            # The rest is walked seldom: nearly all that the stream makes dies by its reference count.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECTION_THRESHOLDS)
            sys.setswitchinterval(SWITCH_SECONDS)
            assembled = assembling.result()
            await assembled.pipeline.run()
            assembled.keep_cost_model()
    finally:
        device.close()
        await tracing.stop(FLUSH_SECONDS)
        await admin.stop(FLUSH_SECONDS)


def instance_id() -> str:
    """Tells this process from every other, on one host too, as `service.instance.id` must."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"


async def _ended_or(assembling: "asyncio.Task[Assembled]", stop: StopSignal) -> None:
    """Wait for the start to end; a stop request ends it early."""
    stopping = asyncio.create_task(stop.requested())
    await asyncio.wait({assembling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_requested:
        assembling.cancel()


def _log_ends(group: BaseExceptionGroup[BaseException]) -> int:
    """Log why the worker ends, and with which status; an unexpected error is raised again, with its stack."""
    expected, unexpected = group.split(EXPECTED_ERRORS)
    if unexpected is not None:
        raise unexpected
    assert expected is not None
    errors = _leaves(expected)
    for error in errors:
        log.error("the worker ends", error=type(error).__name__, reason=_reason(error))
    return max(error.exit_status if isinstance(error, WorkerError) else ExitStatus.FAILED for error in errors)


def _reason(error: BaseException) -> str:
    """The error's own words; those that `check` has for it, where it is one of the client that nobody expected."""
    return judge(error, Operation.JOIN).words if isinstance(error, KafkaError) else str(error)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
