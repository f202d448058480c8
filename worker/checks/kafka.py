"""Checks against the brokers; none of them writes, creates or commits anything, but for a transactional id that nobody
else has."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.produce import ProduceRequest

from schemas.settings import OutputSettings, Settings
from worker.checks.group import check_members
from worker.checks.result import CheckResult, Outcome
from worker.errors import ConfigurationError
from worker.in_flight.record_limits import BROKER_DEFAULT_MAX_MESSAGE_BYTES
from worker.kafka.broker_limits import broker_limits, refused_settings
from worker.kafka.client_options import client_options, producer_options
from worker.kafka.connection_log import connection_log
from worker.kafka.error_mapping import Operation, judge
from worker.kafka.producer import start_producer, stop_producer
from worker.kafka.topics import NO_ERROR, Topic, describe_topics, topic_remarks

CONNECTION, GROUP = "Kafka connection", "consumer group"
LIMITS, TRANSACTIONS = "limits of the brokers", "transactions"
CORRUPT_MESSAGE, INVALID_REQUEST, INVALID_RECORD = 2, 42, 87
REQUESTS_PER_CHECK = 4
"""One check is given as long as this many requests may take."""


async def check_kafka(settings: Settings, route_topics: Collection[str]) -> AsyncIterator[CheckResult]:
    """Connect, find the topics, compare their sizes, and try whether this login may read and write them."""
    limit_seconds = REQUESTS_PER_CHECK * settings.kafka.request_timeout_seconds
    uses = _uses(settings, route_topics)
    with connection_log() as connections:
        try:
            options = client_options(settings.kafka)
            topics = await describe_topics(options, list(uses), limit_seconds)
        except ConfigurationError as error:
            yield CheckResult(CONNECTION, Outcome.FAILED, str(error))
            return
        except (KafkaError, TimeoutError) as error:
            failure = connections.failure
            yield CheckResult(CONNECTION, Outcome.FAILED, str(failure) if failure else _said(error))
            return
    yield CheckResult(CONNECTION, Outcome.OK, ", ".join(settings.kafka.bootstrap_servers))
    for name, use in uses.items():
        yield _existence(topics[name], use)
    for result in _sizes(settings.output, [topics[name] for name in settings.input.topics], topics):
        yield result
    for result in _configurations([topics[name] for name in uses if name not in settings.input.topics]):
        yield result
    yield await _limits(settings, options, limit_seconds)
    there = {name: topics[name] for name in uses if topics[name].error_code == NO_ERROR}
    readable = [name for name in settings.input.topics if name in there]
    if readable:
        yield await _reading(options, settings, readable, limit_seconds)
        partitions = sum(there[name].partitions for name in readable)
        yield await check_members(options, settings.kafka.group_id, partitions, limit_seconds)
    for name in uses:
        if name in there and name not in settings.input.topics:
            yield await _writing(options, name, uses[name], limit_seconds)
    if settings.delivery.guarantee == "exactly_once":
        yield await _transacting(settings, limit_seconds)


def _configurations(written: Iterable[Topic]) -> Iterator[CheckResult]:
    for topic in written:
        for remark in topic_remarks(topic):
            yield CheckResult("topic configuration", Outcome.WARNING, remark)


async def _limits(settings: Settings, options: Mapping[str, Any], limit_seconds: float) -> CheckResult:
    """Whether the brokers will take the times that the settings ask for."""
    try:
        limits = await broker_limits(options, limit_seconds)
    except (KafkaError, TimeoutError) as error:
        return CheckResult(LIMITS, Outcome.WARNING, f"cannot be read: {_said(error)}")
    if not limits:
        detail = "this user may not read the brokers' configuration: a session timeout beyond theirs is seen at start"
        return CheckResult(LIMITS, Outcome.WARNING, detail)
    if refused := list(refused_settings(settings.kafka, settings.delivery, limits)):
        return CheckResult(LIMITS, Outcome.FAILED, "; ".join(refused))
    return CheckResult(LIMITS, Outcome.OK, "the brokers take the timeouts of group and transactions")


async def _transacting(settings: Settings, limit_seconds: float) -> CheckResult:
    """Whether this user may use the transactional ids that a run needs: with one that no worker has."""
    group_id = settings.kafka.group_id
    create = partial(
        AIOKafkaProducer,
        **producer_options(settings.kafka, record_limits=[BROKER_DEFAULT_MAX_MESSAGE_BYTES]),
        transactional_id=f"{group_id}-check-{uuid.uuid4().hex[:8]}",
        transaction_timeout_ms=1000,
    )
    try:
        async with asyncio.timeout(limit_seconds):
            await stop_producer(await start_producer(create), limit_seconds)
    except (KafkaError, TimeoutError) as error:
        judgement = judge(error, Operation.TRANSACT, group_id=group_id)
        return CheckResult(TRANSACTIONS, Outcome.FAILED, judgement.words)
    return CheckResult(TRANSACTIONS, Outcome.OK, f"this user may use ids that begin with {group_id + '-'!r}")


def _uses(settings: Settings, route_topics: Collection[str]) -> dict[str, str]:
    uses = dict.fromkeys(settings.input.topics, "input")
    uses[settings.output.topic] = "output"
    uses[settings.output.dead_letter_topic] = "dead letters"
    return uses | dict.fromkeys(sorted(set(route_topics) - set(uses)), "route")


def _existence(topic: Topic, use: str) -> CheckResult:
    name = f"{use} topic {topic.name!r}"
    if topic.missing:
        return CheckResult(name, Outcome.FAILED, "does not exist: create it, or correct the name")
    if topic.error_code != NO_ERROR:
        detail = f"{for_code(topic.error_code).__name__}: allow this user to describe it, or correct the name"
        return CheckResult(name, Outcome.FAILED, detail)
    size = f"records up to {topic.max_message_bytes} bytes" if topic.max_message_bytes else "record limit not readable"
    return CheckResult(name, Outcome.OK, f"{topic.partitions} partitions, {size}")


def _sizes(output: OutputSettings, inputs: list[Topic], topics: Mapping[str, Topic]) -> Iterator[CheckResult]:
    largest = max(inputs, key=lambda topic: topic.max_message_bytes or 0)
    if largest.max_message_bytes is None:
        return
    losses = {output.dead_letter_topic: "dead letters larger than that lose their value"}
    if output.payload == "all":
        losses[output.topic] = "records larger than that are published without their payload"
    for name, loss in losses.items():
        limit = topics[name].max_message_bytes
        if limit is None:
            continue
        if limit < largest.max_message_bytes:
            detail = (
                f"topic {name!r} takes records up to {limit} bytes, input topic {largest.name!r} up to "
                f"{largest.max_message_bytes}: {loss}; raise max.message.bytes of {name!r}"
            )
            yield CheckResult("record sizes", Outcome.WARNING, detail)
        else:
            yield CheckResult(
                "record sizes", Outcome.OK, f"topic {name!r} takes what input topic {largest.name!r} takes"
            )


async def _reading(
    options: Mapping[str, Any], settings: Settings, names: list[str], limit_seconds: float
) -> CheckResult:
    """Fetches behind the last record, and asks for the group's offsets without joining the group."""
    group_id = settings.kafka.group_id
    consumer = AIOKafkaConsumer(**options, group_id=group_id, enable_auto_commit=False)
    partitions = [TopicPartition(name, 0) for name in names]
    try:
        async with asyncio.timeout(limit_seconds):
            await consumer.start()
            consumer.assign(partitions)
            committed = [await consumer.committed(partition) for partition in partitions]
            await consumer.seek_to_end(*partitions)
            await consumer.getmany(timeout_ms=500)
    except (KafkaError, TimeoutError) as error:
        detail = f"{_said(error)}: allow this user to read {', '.join(names)} and group {group_id!r}"
        return CheckResult(GROUP, Outcome.FAILED, detail)
    finally:
        await _bounded(consumer.stop(), limit_seconds)
    known = "has committed offsets" if any(offset is not None for offset in committed) else "is new"
    return CheckResult(GROUP, Outcome.OK, f"group {group_id!r} {known}; may read {', '.join(names)}")


async def _writing(options: Mapping[str, Any], name: str, use: str, limit_seconds: float) -> CheckResult:
    """Sends a produce request without a record: who may write is told that it is invalid, others that they may not."""
    title = f"{use} topic {name!r} writable"
    client = AIOKafkaClient(**options)
    try:
        async with asyncio.timeout(limit_seconds):
            await client.bootstrap()
            request = ProduceRequest(None, 1, options["request_timeout_ms"], [(name, [(0, b"")])])
            response = await client.send(client.get_random_node(), request)
    except (KafkaError, TimeoutError) as error:
        return CheckResult(title, Outcome.FAILED, _said(error))
    finally:
        await _bounded(client.close(), limit_seconds)
    ((_, ((_, error_code, *_),)),) = response.topics
    if error_code in (INVALID_RECORD, INVALID_REQUEST, CORRUPT_MESSAGE):
        return CheckResult(title, Outcome.OK, "this user may write")
    return CheckResult(title, Outcome.FAILED, f"{for_code(error_code).__name__}: allow this user to write to it")


async def _bounded(closing: Coroutine[Any, Any, None], limit_seconds: float) -> None:
    """Closes a client whatever becomes of it; aiokafka's raise CancelledError or hang when brokers have gone."""
    task = asyncio.ensure_future(closing)
    finished, _ = await asyncio.wait({task}, timeout=limit_seconds)
    if not finished:
        task.cancel()
    elif not task.cancelled():
        task.exception()  # retrieved, or asyncio would log it; the check has its result already


def _said(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
