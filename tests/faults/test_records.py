"""Records that cannot be classified, dead letters that cannot be written, and inputs whose offsets have holes."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from safetensors.torch import load_file, save_file
from support.eventually import eventually
from support.faults.cases import both_modes, sized
from support.faults.cluster import PASSWORD, USER, WITH_LOGIN
from support.faults.history import Input
from support.faults.observer import parse_input, parse_output
from support.faults.oracle import KEY_HEADER, SEQUENCE_HEADER, UUID_HEADER, sound_ticket, ticket
from support.faults.run import Run
from support.faults.topics import allow_writing, configure_topic, delete_topic, deny_writing, recreate_topic
from support.kafka import end_offsets, read_all
from support.tiny_checkpoint import write_tiny_checkpoint

from model.checkpoint import WEIGHTS_FILE
from schemas.records import DeadLetterReason

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

POISONOUS_WORD = "~"
OVERFLOWING = 3.3e38  # finite, as the loader demands, until two of it are added
LARGEST_INPUT_BYTES = 12 * 1024 * 1024


def message(text: object, tenant: object = "shop") -> bytes:
    return json.dumps({"text": text, "tenant": tenant}).encode()


POISON: dict[str, tuple[DeadLetterReason, Callable[[random.Random], bytes | None]]] = {
    "tombstone": (DeadLetterReason.VALUE_EMPTY, lambda _: None),
    "no bytes": (DeadLetterReason.VALUE_EMPTY, lambda _: b""),
    "random bytes": (DeadLetterReason.INVALID_UTF8, lambda rng: b"\xff" + rng.randbytes(200)),
    "cut off": (DeadLetterReason.INVALID_JSON, lambda _: message("x")[:-3]),
    "not a number": (DeadLetterReason.INVALID_JSON, lambda _: b'{"text": NaN, "tenant": "shop"}'),
    "nested deeply": (DeadLetterReason.INVALID_JSON, lambda _: b"[" * 20_000 + b"]" * 20_000),
    "no text": (DeadLetterReason.TEXT_MISSING, lambda _: b'{"tenant": "shop"}'),
    "text of a number": (DeadLetterReason.TEXT_NOT_A_STRING, lambda _: message(17)),
    "invisible text": (DeadLetterReason.TEXT_EMPTY, lambda _: message(" \u200b\t")),
    "ten megabytes": (DeadLetterReason.TEXT_TOO_LARGE, lambda _: message("x" * 10_000_000)),
    "no tenant": (DeadLetterReason.TENANT_MISSING, lambda _: b'{"text": "hello"}'),
    "tenant of a list": (DeadLetterReason.TENANT_MISSING, lambda _: message("hello", ["shop"])),
    "unknown tenant": (DeadLetterReason.TENANT_UNKNOWN, lambda _: message("hello", "nobody")),
    "model fails": (DeadLetterReason.MODEL_ERROR, lambda _: message(f"this one {POISONOUS_WORD} is poison")),
}
RARE = {"ten megabytes": 0.02}
POISON_SHARE = 0.12


class Poisoner:
    """A stream of good messages and one in eight of poison; remembers which became what."""

    def __init__(self) -> None:
        self.expected: dict[str, DeadLetterReason] = {}

    def __call__(self, rng: random.Random, identity: str) -> bytes | None:
        if rng.random() > POISON_SHARE:
            return sound_ticket(rng, identity)
        (name,) = rng.choices(list(POISON), [RARE.get(name, 1) for name in POISON])
        reason, make = POISON[name]
        self.expected[identity] = reason
        return make(rng)


@pytest.fixture(scope="module")
def poisonable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that one word of its vocabulary makes give no number."""
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("poisonable"), architecture="bi-encoder", seed=1)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    weights = load_file(folder / WEIGHTS_FILE)
    weights["model.encoder_model.embeddings.word_embeddings.weight"][vocabulary[POISONOUS_WORD]] = OVERFLOWING
    save_file(weights, folder / WEIGHTS_FILE)
    return folder


@sized("seconds", 40, 0)
async def test_f11_poison_of_every_kind_disturbs_no_neighbour(
    open_run, add_to_report, poisonable: Path, mode: str, seconds: int
):
    poisoner = Poisoner()
    largest = {"max.message.bytes": str(LARGEST_INPUT_BYTES)}
    async with open_run(mode, checkpoint=poisonable, value=poisoner, input_config=largest) as run:
        await run.start()
        await asyncio.sleep(seconds)
        row = await run.finish("F11", "poison of every kind")
        letters = [parse_output(each) for each in await read_all(run.cluster.bootstrap_servers, run.dead_letter_topic)]
        assert {each.uuid: each.content for each in letters} == {
            identity: f"dead letter: {reason}" for identity, reason in poisoner.expected.items()
        }
        assert row.repeated == 0
        add_to_report(row, faults=len(letters))


@both_modes
async def test_f12_a_dead_letter_topic_that_is_missing_stops_its_partitions_only(open_run, add_to_report, mode: str):
    async with open_run(mode, value=sound_ticket) as run:
        await run.start()
        await delete_topic(run.cluster.bootstrap_servers, run.dead_letter_topic)
        await stopped_by_dead_letters(run)
        config = {"message.timestamp.type": "LogAppendTime"}
        await recreate_topic(run.cluster.bootstrap_servers, run.dead_letter_topic, 2, config)
        await run.resumed(time.time())
        add_to_report(await run.finish("F12", "dead-letter topic missing"), faults=1)


@both_modes
async def test_f12_a_dead_letter_topic_that_is_denied_stops_its_partitions_only(open_run, add_to_report, mode: str):
    security = {
        "protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "username": USER,
        "password": PASSWORD,
    }
    async with open_run(mode, value=sound_ticket) as run:
        await run.start(listener=WITH_LOGIN, kafka={"security": security})
        await deny_writing(run.cluster.bootstrap_servers, run.dead_letter_topic, USER)
        await stopped_by_dead_letters(run)
        await allow_writing(run.cluster.bootstrap_servers, run.dead_letter_topic, USER)
        await run.resumed(time.time())
        add_to_report(await run.finish("F12", "dead-letter topic denied"), faults=1)


async def stopped_by_dead_letters(run: Run) -> None:
    """Let dead letters come, and see that readiness fails and no offset passes one of them."""
    run.disturbances += len(run.workers)
    began_at = time.time()
    run.oracle.value = ticket
    await eventually(
        lambda: [worker.get("/readyz") for worker in run.workers],
        lambda answers: all(unready_because_of(run.dead_letter_topic, answer) for answer in answers),
        what="every worker is unready because of its dead letters",
    )
    await asyncio.sleep(5)
    log = await read_all(run.cluster.bootstrap_servers, run.input_topic)
    held = [each for each in log if b'"nobody"' in (each.value or b"") and each.timestamp / 1000 > began_at]
    assert held
    committed = run.observer.committed(run.input_topic)
    assert all(committed.get(each.partition, 0) <= each.offset for each in held)
    run.oracle.value = sound_ticket


def unready_because_of(topic: str, answer: tuple[int, str]) -> bool:
    """Whether this is what keeps a worker from being ready: while it joins its group it is not ready either."""
    return answer[0] == 503 and topic in answer[1]


@both_modes
async def test_f13_holes_left_by_compaction_and_aborted_transactions_hold_nothing_up(
    open_run, add_to_report, rng: random.Random, mode: str
):
    compacted = {
        "cleanup.policy": "compact",
        "segment.ms": "500",
        "min.cleanable.dirty.ratio": "0.01",
        "min.compaction.lag.ms": "0",
    }
    async with open_run(mode, input_config=compacted) as run:
        servers = run.cluster.bootstrap_servers
        for _ in range(4):
            await run.oracle.write(300)
            run.aborted_uuids |= await write_and_abort(run, rng, 60)
            await asyncio.sleep(0.6)  # the next record begins a new segment
        await run.oracle.write(200)
        async with asyncio.timeout(60):
            while len(await read_all(servers, run.input_topic)) > 700:
                await asyncio.sleep(1)
        await configure_topic(servers, run.input_topic, {"cleanup.policy": "delete"})
        run.aborted_uuids |= await write_and_abort(run, rng, 60)
        inputs = [parse_input(record) for record in await read_all(servers, run.input_topic)]
        assert has_holes(inputs)
        run.worker()
        if mode == "at_least_once":  # exactly once, an offset moves only in the transaction of an output
            ends = await end_offsets(servers, run.input_topic)
            await eventually(
                lambda: run.observer.committed(run.input_topic),
                lambda committed: committed == {tp.partition: end for tp, end in ends.items()},
                what="the ends are committed",
            )
        row = await run.finish("F13", "compacted input with aborted transactions", inputs)
        assert row.repeated == 0
        add_to_report(row, faults=1)


async def write_and_abort(run: Run, rng: random.Random, count: int) -> set[str]:
    """Write records in a transaction that is taken back; gives their uuids."""
    producer = AIOKafkaProducer(
        bootstrap_servers=run.cluster.bootstrap_servers, transactional_id=str(uuid.UUID(int=rng.getrandbits(128)))
    )
    await producer.start()
    identities = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(count)]
    try:
        await producer.begin_transaction()
        for number, identity in enumerate(identities):
            headers = [(UUID_HEADER, identity.encode()), (KEY_HEADER, b"taken back"), (SEQUENCE_HEADER, b"0")]
            partition = number % run.partition_count
            await producer.send(
                run.input_topic, sound_ticket(rng, identity), key=b"taken back", partition=partition, headers=headers
            )
        await producer.flush()
        await producer.abort_transaction()
    finally:
        await producer.stop()
    return set(identities)


def has_holes(inputs: list[Input]) -> bool:
    offsets: dict[TopicPartition, list[int]] = {}
    for each in inputs:
        offsets.setdefault(TopicPartition(*each.source[:2]), []).append(each.source[2])
    return all(max(found) - min(found) + 1 > len(found) for found in offsets.values())
