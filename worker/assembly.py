"""Builds one worker from its settings: model, policies, topics, stages."""

import asyncio
import os
import time
from functools import partial
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from model.scorer import Scorer
from schemas.settings import PUBLISH_TIMEOUTS, Settings
from worker.batching.batcher import Batcher
from worker.batching.cost_model import CostModel
from worker.config import parse_policies, read_file
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.enrichment import Enrichment
from worker.device.cost_measurement import CostStore, cost_store, measure_cost, warm_up
from worker.device.model import load_model
from worker.device.openmp import settled
from worker.device.processors import processors
from worker.device.thread import Device
from worker.health.stopping import StopSignal
from worker.in_flight.backpressure import Backpressure, Load
from worker.in_flight.duplicates import Duplicates
from worker.in_flight.message import Message
from worker.in_flight.publisher import Publisher
from worker.in_flight.record_limits import RecordLimits
from worker.kafka.at_least_once import AtLeastOncePublisher
from worker.kafka.broker_errors import name_every_broker_error
from worker.kafka.client_options import consumer_options, producer_options, size_options
from worker.kafka.cluster_client import use_cluster_client
from worker.kafka.exactly_once import ExactlyOncePublisher
from worker.kafka.header_names import read_any_header_name
from worker.kafka.topics import learn_limits
from worker.policies.compiled import EMPTY, CompileOptions, PolicySet, PolicyStore
from worker.policies.compiler import PolicyCompiler
from worker.policies.watcher import PolicyWatcher
from worker.stream.pipeline import Pipeline
from worker.stream.recorder import DEAD_LETTER_REACHABLE, Recorder
from worker.stream.scoring import Scoring

log = structlog.get_logger(__name__)


class Assembled(NamedTuple):
    """A worker that is ready to join its group."""

    pipeline: Pipeline
    cost_store: CostStore
    cost_model: CostModel

    def keep_cost_model(self) -> None:
        """Keep what was learnt of the device for the next start."""
        self.cost_store.save(self.cost_model)


async def assemble(settings: Settings, device: Device, recorder: Recorder, stop: StopSignal) -> Assembled:
    """Load the model, compile the policies, look the topics up, and wire the stream.

    Raises:
        WorkerError, ModelError: what people have to change before a worker can start.
    """
    output = settings.output
    read_any_header_name()
    use_cluster_client(settings.kafka)
    name_every_broker_error()
    model = await device.run(load_model, settings.model)
    recorder.model_loaded(model)
    log.info("processors", found=str(processors()), threads=model.threads, openmp=settled(os.environ))
    store_of_costs = cost_store(model)
    cost_model = await _cost_model(settings, device, model, store_of_costs)
    limits = RecordLimits()
    store, watcher = await _policies(
        settings, _policy_compiler(settings, device, model, cost_model, limits, recorder), recorder
    )
    recorder.health.meet(DEAD_LETTER_REACHABLE)
    dead_letters = DeadLetters(output.dead_letter_topic, limits.of(output.dead_letter_topic))
    scoring = Scoring(
        batcher=_batcher(settings, cost_model),
        duplicates=Duplicates(settings.batching.duplicate_memory_messages),
        score=partial(device.score, model),
        enrichment=Enrichment(output.topic, model.digest, dead_letters, limits),
        recorder=recorder,
    )
    pipeline = Pipeline(
        settings,
        create_consumer=partial(AIOKafkaConsumer, **consumer_options(settings.kafka)),
        admission=Admission(
            RecordDecoder(settings.input, output.payload), store.resolve, model, dead_letters, recorder.tracing
        ),
        scoring=scoring,
        publisher=_publisher(settings, limits),
        backpressure=_backpressure(settings),
        policies=watcher,
        recorder=recorder,
        stop=stop,
    )
    return Assembled(pipeline, store_of_costs, cost_model)


def _batcher(settings: Settings, cost_model: CostModel) -> Batcher[Message]:
    return Batcher(
        cost_model,
        max_batch_tokens=settings.batching.max_batch_tokens,
        defer_efficiency=settings.batching.defer_efficiency,
        drops_late=lambda message: message.policy.policy.on_late != "score",
    )


def _backpressure(settings: Settings) -> Backpressure:
    batching = settings.batching
    return Backpressure(
        Load(batching.high_water_seconds, batching.max_in_flight_messages, batching.max_in_flight_bytes),
        Load(batching.low_water_seconds, batching.max_in_flight_messages // 2, batching.max_in_flight_bytes // 2),
    )


def _publisher(settings: Settings, limits: RecordLimits) -> Publisher:
    """What a reload adds to the limits counts from the next producer on."""
    kafka, delivery = settings.kafka, settings.delivery
    options = producer_options(kafka, record_limits=limits.all())
    timeout_seconds = PUBLISH_TIMEOUTS * kafka.request_timeout_seconds
    if delivery.guarantee == "at_least_once":
        return AtLeastOncePublisher(
            lambda: AIOKafkaProducer(**options | size_options(limits.all())),
            dead_letter_topic=settings.output.dead_letter_topic,
            timeout_seconds=timeout_seconds,
        )
    options["transaction_timeout_ms"] = round(delivery.transaction_timeout_seconds * 1000)
    return ExactlyOncePublisher(
        lambda transactional_id: AIOKafkaProducer(
            **options | size_options(limits.all()), transactional_id=transactional_id
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
    measured = await device.run(measure_cost, model, settings.batching.max_batch_tokens)
    store.save(measured)
    log.info(
        "device calibrated",
        took_seconds=round(time.monotonic() - began_at, 1),
        fixed_ms=round(measured.fixed_seconds * 1000, 2),
        microseconds_per_token=round(measured.seconds_per_token * 1e6, 1),
    )
    return measured


def _policy_compiler(
    settings: Settings, device: Device, model: Scorer, cost_model: CostModel, limits: RecordLimits, recorder: Recorder
) -> PolicyCompiler:
    async def look_up_topics(policies: PolicySet) -> None:
        written = {settings.output.topic, settings.output.dead_letter_topic, *policies.route_topics}
        await learn_limits(limits, settings.kafka, read=settings.input.topics, written=written)

    return PolicyCompiler(
        device, model, CompileOptions.of(settings), cost_model, look_up_topics, recorder.policies_progress
    )


async def _policies(
    settings: Settings, compiler: PolicyCompiler, recorder: Recorder
) -> tuple[PolicyStore, PolicyWatcher]:
    """The policies of the file, and what reloads them."""
    content = read_file(settings.policies.file)
    file = await asyncio.to_thread(parse_policies, content, str(settings.policies.file))
    store = PolicyStore(EMPTY)
    async for policies in compiler.compile(file):
        store.replace(policies)
    recorder.policies_changed(None, store.current)
    recorder.policies_loaded(reloaded=False)
    watcher = PolicyWatcher(
        settings.policies.file,
        store,
        compile_file=compiler.compile,
        interval_seconds=settings.policies.reload_interval_seconds,
        on_change=recorder.policies_changed,
        on_loaded=recorder.policies_loaded,
        on_refusal=recorder.policies_refused,
        loaded=content,
    )
    return store, watcher
