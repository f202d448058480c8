"""Builds one worker from its settings and runs it."""

import asyncio
import gc
import importlib.metadata
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, for_code

from model.errors import ModelError
from model.scorer import Scorer
from model.starter import default_cache_dir
from schemas.policy import PolicyFile
from schemas.settings import PUBLISH_TIMEOUTS, Settings
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel
from worker.config import ConfigurationError, parse_policies, read_file
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.enrichment import Enrichment
from worker.device.cost_measurement import CostStore, calibrate, warm_up
from worker.device.model import load_model
from worker.device.thread import Device, DeviceError
from worker.health.admin_port import AdminError, AdminServer, admin_app
from worker.health.conditions import Health
from worker.health.stopping import StopSignal
from worker.in_flight.backpressure import Backpressure, Load
from worker.in_flight.duplicates import Duplicates
from worker.kafka.at_least_once import AtLeastOncePublisher, Publisher
from worker.kafka.client_options import client_options, connection_log, consumer_options, producer_options, size_options
from worker.kafka.consumer import AssignmentTimeoutError, BrokerRefusalError, DuplicateInstanceError
from worker.kafka.exactly_once import ExactlyOncePublisher
from worker.kafka.header_names import read_any_header_name
from worker.kafka.start_offset import OffsetLostError
from worker.kafka.topics import BROKER_DEFAULT_MAX_MESSAGE_BYTES, NO_ERROR, Topic, describe_topics
from worker.policies.compiled import CompileOptions, PolicyError, PolicySet, PolicyStore, compile_policies
from worker.policies.lint import lint_budgets
from worker.policies.watcher import PolicyWatcher
from worker.stream.pipeline import FloodError, Pipeline
from worker.stream.recorder import CONDITIONS, DEAD_LETTER_REACHABLE, Recorder
from worker.telemetry.logging import configure
from worker.telemetry.metrics import Metrics
from worker.telemetry.tracing import MissingExporterError, Tracing, otlp_exporter

log = structlog.get_logger(__name__)

EXIT_STOPPED, EXIT_FAILED, EXIT_BAD_CONFIGURATION = 0, 1, 2
REBALANCES_OF_SILENCE = 2
"""The fetch loop rightly makes no turn while a rebalance lasts; twice its time limit is too long for any loop."""


CONFIGURATION_ERRORS = (ConfigurationError, MissingExporterError, PolicyError)
EXPECTED_ERRORS = (
    AdminError,
    AssignmentTimeoutError,
    BrokerRefusalError,
    DeviceError,
    DuplicateInstanceError,
    FloodError,
    KafkaError,
    ModelError,
    OffsetLostError,
)
Assembled = tuple[Pipeline, Callable[[], None]]
"""The stream, and what keeps its learnt cost model for the next start."""

FLUSH_SECONDS = 2.0
COLLECTION_THRESHOLDS = (20_000, 20, 100)
SWITCH_SECONDS = 0.001
"""How long the event loop and the device thread, which takes the interpreter's lock again after every operation, wait
for it while another thread computes. Python's own 5 ms are longer than most operations."""
FIRST_LOOKUP_RETRY_SECONDS, LONGEST_LOOKUP_RETRY_SECONDS = 0.5, 15.0


async def run_worker(settings: Settings) -> int:
    """Run until a stop is requested or something ends the worker; gives the exit status."""
    configure(settings.telemetry.log_level, settings.telemetry.log_format)
    stop = StopSignal(settings.delivery.drain_budget_seconds)
    stop.install()
    try:
        await _run(settings, stop)
    except BaseExceptionGroup as group:
        return _said(group)
    except (*CONFIGURATION_ERRORS, *EXPECTED_ERRORS) as error:
        return _said(BaseExceptionGroup("worker", [error]))
    finally:
        stop.close()
    log.info("stopped")
    return EXIT_STOPPED


async def _run(settings: Settings, stop: StopSignal) -> None:
    version = importlib.metadata.version("gliclass-worker")
    metrics, health, device = Metrics(), Health(CONDITIONS), Device()
    metrics.build_info.labels(version).set(1)
    endpoint = settings.telemetry.otlp_endpoint
    tracing = Tracing(
        otlp_exporter(endpoint) if endpoint else None,
        sample_ratio=settings.telemetry.trace_sampling_ratio,
        consumer_group=settings.kafka.group_id,
        instance_id=socket.gethostname(),
        version=version,
    )
    recorder = Recorder(
        metrics, tracing, health, max_silence_seconds=REBALANCES_OF_SILENCE * settings.kafka.rebalance_timeout_seconds
    )
    admin = AdminServer(admin_app(health, metrics.registry, version), settings.admin.host, settings.admin.port)
    await admin.start()
    log.info("starting", version=version, group=settings.kafka.group_id, admin=f"{settings.admin.host}:{admin.port}")
    try:
        assembling = asyncio.create_task(_assemble(settings, device, recorder, stop))
        await _ended_or(assembling, stop)
        if not stop.is_requested:
            # A full collection walks every object that torch and transformers have made: it held the event loop, and
            # with it the heartbeats, for a third of a second. What lives as long as the process need not be walked.
            # The rest is walked seldom: nearly all that the stream makes dies by its reference count.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECTION_THRESHOLDS)
            sys.setswitchinterval(SWITCH_SECONDS)
            pipeline, keep_cost_model = assembling.result()
            await pipeline.run()
            keep_cost_model()
    finally:
        device.close()
        await tracing.stop(FLUSH_SECONDS)
        await admin.stop(FLUSH_SECONDS)


async def _ended_or(assembling: "asyncio.Task[Assembled]", stop: StopSignal) -> None:
    """Wait for the start to end; a stop request ends it early."""
    stopping = asyncio.create_task(stop.requested())
    await asyncio.wait({assembling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_requested:
        assembling.cancel()


async def _assemble(settings: Settings, device: Device, recorder: Recorder, stop: StopSignal) -> Assembled:
    """Load the model, compile the policies, look the topics up, and wire the stream."""
    output, kafka, batching = settings.output, settings.kafka, settings.batching
    read_any_header_name()
    model = await device.run(load_model, settings.model)
    recorder.model_loaded(model)
    cost_store = CostStore(default_cache_dir() / "cost-models", model, settings.model.threads or os.cpu_count() or 1)
    cost_model = await _cost_model(settings, device, model, cost_store)
    limits: dict[str, int] = {}
    store, watcher = await _policies(settings, device, model, recorder, limits, cost_model)
    recorder.health.meet(DEAD_LETTER_REACHABLE)
    dead_letters = DeadLetters(output.dead_letter_topic, limits[output.dead_letter_topic])
    pipeline = Pipeline(
        settings,
        create_consumer=partial(AIOKafkaConsumer, **consumer_options(kafka)),
        admission=Admission(
            RecordDecoder(settings.input, output.payload), store.resolve, model, dead_letters, recorder.tracing
        ),
        batcher=Batcher(
            cost_model,
            max_batch_tokens=batching.max_batch_tokens,
            defer_efficiency=batching.defer_efficiency,
            drops_late=lambda message: message.policy.policy.on_late != "score",
        ),
        duplicates=Duplicates(batching.duplicate_memory_messages),
        backpressure=Backpressure(
            Load(batching.high_water_seconds, batching.max_in_flight_messages, batching.max_in_flight_bytes),
            Load(batching.low_water_seconds, batching.max_in_flight_messages // 2, batching.max_in_flight_bytes // 2),
        ),
        device=device,
        model=model,
        enrichment=Enrichment(output.topic, model.digest, dead_letters, limits),
        publisher=_publisher(settings, limits),
        policies=watcher,
        recorder=recorder,
        stop=stop,
    )
    return pipeline, partial(cost_store.save, cost_model)


def _publisher(settings: Settings, limits: Mapping[str, int]) -> Publisher:
    """`limits`: as in `_policies`; what a reload adds counts from the next producer on."""
    kafka, delivery = settings.kafka, settings.delivery
    options = producer_options(kafka, record_limits=limits.values())
    timeout_seconds = PUBLISH_TIMEOUTS * kafka.request_timeout_seconds
    if delivery.guarantee == "at_least_once":
        return AtLeastOncePublisher(
            lambda: AIOKafkaProducer(**options | size_options(limits.values())),
            dead_letter_topic=settings.output.dead_letter_topic,
            timeout_seconds=timeout_seconds,
        )
    options["transaction_timeout_ms"] = round(delivery.transaction_timeout_seconds * 1000)
    return ExactlyOncePublisher(
        lambda transactional_id: AIOKafkaProducer(
            **options | size_options(limits.values()), transactional_id=transactional_id
        ),
        group_id=kafka.group_id,
        timeout_seconds=timeout_seconds,
    )


async def _cost_model(settings: Settings, device: Device, model: Scorer, store: CostStore) -> CostModel:
    """The cost model of an earlier run on this device, or one measured now."""
    known = store.load()
    if known is not None:
        await device.run(warm_up, model)
        return known
    began_at = time.monotonic()
    measured = await device.run(calibrate, model, settings.batching.max_batch_tokens)
    store.save(measured)
    log.info(
        "device calibrated",
        took_seconds=round(time.monotonic() - began_at, 1),
        fixed_ms=round(measured.fixed_seconds * 1000, 2),
        microseconds_per_token=round(measured.seconds_per_token * 1e6, 1),
    )
    return measured


async def _policies(
    settings: Settings,
    device: Device,
    model: Scorer,
    recorder: Recorder,
    limits: dict[str, int],
    cost_model: CostModel,
) -> tuple[PolicyStore, PolicyWatcher]:
    """The policies of the file and what reloads them; `limits` gets the largest record of each topic they write to."""
    options = compile_options(settings)

    async def compile_file(file: PolicyFile, previous: PolicySet | None) -> PolicySet:
        compiled = await device.run(compile_policies, file, model, options, previous)
        limits.update(await _record_limits(settings, compiled))
        for finding in lint_budgets(compiled, cost_model):
            log.warning("a policy that cannot be kept", policy=finding.path, reason=finding.message)
        return compiled

    content = read_file(settings.policies.file)
    policies = await compile_file(parse_policies(content, str(settings.policies.file)), None)
    recorder.policies_changed(None, policies)
    store = PolicyStore(policies)
    watcher = PolicyWatcher(
        settings.policies.file,
        store,
        compile_file,
        settings.policies.reload_interval_seconds,
        recorder.policies_changed,
        recorder.policies_refused,
        content,
    )
    return store, watcher


def compile_options(settings: Settings) -> CompileOptions:
    """What the settings have to say about policies."""
    reserved = dict.fromkeys(settings.input.topics, "an input topic, a loop")
    reserved[settings.output.topic] = "the output topic, which gets every record"
    reserved[settings.output.dead_letter_topic] = "the dead-letter topic"
    return CompileOptions(settings.output.scores, reserved)


async def _record_limits(settings: Settings, policies: PolicySet) -> dict[str, int]:
    """The largest record of each topic written to; waits, and says so once, for brokers that are away.

    Raises:
        BrokerRefusalError: the login or the certificate is refused, or a topic is denied.
        PolicyError: a topic that the settings or policies name does not exist.
    """
    routes = {route.topic for policy in policies.by_name().values() for route in policy.policy.routes}
    written = {settings.output.topic, settings.output.dead_letter_topic, *routes}
    names = {*settings.input.topics, *written}
    topics = await _described(settings, names)
    missing = sorted(name for name in names if topics[name].missing)
    denied = sorted(name for name in names if not topics[name].missing and topics[name].error_code != NO_ERROR)
    if denied:
        errors = {name: for_code(topics[name].error_code).__name__ for name in denied}
        raise BrokerRefusalError(
            "; ".join(f"topic {name!r}: {error}: allow this user to use it" for name, error in errors.items())
        )
    if missing:
        raise PolicyError([f"topic {name!r} does not exist: create it first, or correct its name" for name in missing])
    return {name: topics[name].max_message_bytes or BROKER_DEFAULT_MAX_MESSAGE_BYTES for name in written}


async def _described(settings: Settings, names: set[str]) -> dict[str, Topic]:
    options, timeout_seconds = client_options(settings.kafka), settings.kafka.request_timeout_seconds
    wait_seconds = FIRST_LOOKUP_RETRY_SECONDS
    while True:
        with connection_log() as connections:
            try:
                return await describe_topics(options, names, timeout_seconds)
            except (KafkaError, TimeoutError) as error:
                failure = connections.failure
                if failure is not None and failure.permanent:
                    raise BrokerRefusalError(str(failure)) from error
                if wait_seconds == FIRST_LOOKUP_RETRY_SECONDS:
                    log.warning("waiting for the brokers", error=str(failure or error))
        await asyncio.sleep(wait_seconds)
        wait_seconds = min(2 * wait_seconds, LONGEST_LOOKUP_RETRY_SECONDS)


def _said(group: BaseExceptionGroup[BaseException]) -> int:
    """Log why the worker ends; an unexpected error is raised again, with its stack."""
    expected, unexpected = group.split((*CONFIGURATION_ERRORS, *EXPECTED_ERRORS))
    if unexpected is not None:
        raise unexpected
    assert expected is not None
    status = EXIT_FAILED
    for error in _leaves(expected):
        log.error("the worker ends", error=type(error).__name__, reason=str(error))
        if isinstance(error, CONFIGURATION_ERRORS):
            status = EXIT_BAD_CONFIGURATION
    return status


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
