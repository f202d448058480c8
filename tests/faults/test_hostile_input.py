"""Records that somebody wrote to break the worker: each is classified or dead-lettered, and memory stays flat."""

import json
import random
import resource
from collections import Counter
from pathlib import Path

import pytest
from support.faults.hostile import hostile_headers, hostile_key, hostile_value
from support.records import consumer_record
from support.tiny_checkpoint import write_tiny_checkpoint

from model.scorer import Scorer
from schemas.mapping import InputMapping
from schemas.policy import PolicyFile
from schemas.records import DeadLetterHeaders, EnrichedRecord
from schemas.settings import InputSettings
from worker.content.admission import Admission
from worker.content.codec import RecordDecoder
from worker.content.dead_letters import DeadLetters
from worker.content.enrichment import Enrichment
from worker.device.thread import score_or_bisect
from worker.in_flight.message import Message, Result
from worker.in_flight.partition import Partition
from worker.in_flight.record_limits import RecordLimits
from worker.policies.compiled import CompileOptions, PolicyStore, compile_policies
from worker.telemetry.tracing import Tracing

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

quick = pytest.mark.quick
SHARD = 250_000
BATCH = 64
GROWTH_MEBIBYTES = 48
PATIENCE_SECONDS = 600.0
OUTPUT, DEAD = "out", "dead"
LARGEST_RECORD_BYTES = 40_000

MAPPINGS = {
    "defaults": InputMapping(),
    "every field": InputMapping.model_validate(
        {"text": ["title", "text"], "tenant": {"field": "tenant"}, "id": {"field": "id"}, "event_time": {"field": "at"}}
    ),
    "headers": InputMapping.model_validate(
        {"tenant": {"header": "tenant"}, "id": {"header": "at"}, "event_time": {"header": "at", "unit": "iso8601"}}
    ),
    "plain text": InputMapping.model_validate({"format": "text", "tenant": {"constant": "desk"}, "id": {"key": True}}),
}
POLICIES = PolicyFile.model_validate(
    {
        "tenants": {
            "shop": {
                "long_text": {"mode": "windows", "overlap_tokens": 8},
                "tasks": {
                    "queue": {"mode": "single", "labels": ["billing", "shipping"]},
                    "cards": {"mode": "multi", "labels": {"cards": ["lost", "declined"]}, "scores": "all"},
                },
            },
            "forum": {
                "long_text": {"mode": "head_tail"},
                "tasks": {"abuse": {"mode": "multi", "labels": ["insult", "threat"], "threshold": 0.01}},
                "routes": [{"task": "abuse", "label": "*", "topic": "moderation"}],
            },
            "desk": {"tasks": {"queue": {"mode": "single", "prompt": "Which? ", "labels": ["it", "hr"]}}},
        }
    }
)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("hostile"), architecture="bi-encoder")
    return Scorer.load(folder, dtype="float32", device="cpu", threads=1, max_tokens=256)


class Way:
    """From a record to its result, as the pipeline goes, without brokers."""

    def __init__(self, scorer: Scorer, mapping: InputMapping) -> None:
        store = PolicyStore(compile_policies(POLICIES, scorer, CompileOptions()))
        decoder = RecordDecoder(InputSettings(topics=["in"], mapping=mapping, max_text_bytes=50_000), "all")
        limits: dict[str, int] = dict.fromkeys((OUTPUT, DEAD, "moderation"), LARGEST_RECORD_BYTES)
        dead_letters = DeadLetters(DEAD, LARGEST_RECORD_BYTES)
        self._scorer = scorer
        self._admission = Admission(decoder, store.resolve, scorer, dead_letters, Tracing(None))
        self._enrichment = Enrichment(OUTPUT, scorer.digest, dead_letters, RecordLimits(limits))
        self._partition = Partition("in", 0, epoch=1, next_offset=0)

    def results(self, records: list) -> list[Result]:
        admitted = [self._admission.admit_one(self._partition, record, 0.0) for record in records]
        messages = [each for each in admitted if isinstance(each, Message)]
        scored = score_or_bisect(self._scorer.score, [message.encoded for message in messages])
        done = [
            self._enrichment.result(message, outcome, 0.0)
            for message, outcome in zip(messages, scored.outcomes, strict=True)
        ]
        return [each for each in admitted if isinstance(each, Result)] + done


@pytest.mark.parametrize(
    ("count", "shard"), [pytest.param(20_000, 0, marks=quick), *((SHARD, number) for number in range(1, 5))]
)
async def test_each_hostile_record_is_classified_or_dead_lettered(
    scorer: Scorer, rng: random.Random, count: int, shard: int
):
    ways = [Way(scorer, mapping) for mapping in MAPPINGS.values()]
    ends: Counter[str] = Counter()
    warmed_up = 0
    for first in range(0, count, BATCH):
        records = [
            consumer_record(
                hostile_value(rng), key=hostile_key(rng), headers=tuple(hostile_headers(rng)), offset=offset,
                timestamp_ms=rng.choice((-1, 0, 1, 2**62, 1_700_000_000_000)),
            )
            for offset in range(first, min(first + BATCH, count))
        ]  # fmt: skip
        results = rng.choice(ways).results(records)
        assert sorted(result.offset for result in results) == [record.offset for record in records]
        ends.update(end_of(result) for result in results)
        if first <= count // 4:
            warmed_up = resident_mebibytes()
    grown = resident_mebibytes() - warmed_up
    print(f"{count} records, {grown} MiB more than after a quarter: {dict(ends.most_common())}")
    assert sum(ends.values()) == count
    assert ends["classified"] > count / 20
    assert len(ends) > 8
    assert grown < GROWTH_MEBIBYTES


def end_of(result: Result) -> str:
    """How the record ended; fails unless everything that would be sent is whole."""
    assert result.outgoing
    for outgoing in result.outgoing:
        assert outgoing.wire_bytes <= LARGEST_RECORD_BYTES
        if result.dead_letter_reason is None:
            EnrichedRecord.model_validate(json.loads(outgoing.value or b""))
        else:
            ours = {field.alias for field in DeadLetterHeaders.model_fields.values()}
            headers = {name: (value or b"").decode() for name, value in outgoing.headers if name in ours}
            assert DeadLetterHeaders.model_validate(headers).reason == result.dead_letter_reason
    return result.dead_letter_reason or "classified"


def resident_mebibytes() -> int:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


@pytest.mark.parametrize(
    ("mode", "count"),
    [
        ("at_least_once", 50_000),
        ("exactly_once", 50_000),
    ],
)
async def test_hostile_records_through_kafka(open_run, add_to_report, mode: str, count: int):
    async with open_run(mode, value=lambda rng, _: hostile_value(rng)) as run:
        run.slow_down(0.0)
        batching = {"max_in_flight_messages": 2000}
        delivery = {"flood_share": 1.0}
        worker = run.worker(batching=batching, delivery=delivery)
        held_mebibytes = []
        for _ in range(5):
            await run.oracle.write(count // 5)
            await run.settle(PATIENCE_SECONDS)
            held_mebibytes.append(worker.metric("process_resident_memory_bytes") / 2**20)
        row = await run.finish("F11", "hostile records through Kafka")
        grown = held_mebibytes[-1] - held_mebibytes[1]
        print(f"{count} records; MiB in the worker after each fifth: {[round(each) for each in held_mebibytes]}")
        assert worker.running
        assert row.inputs == count
        assert row.repeated == 0
        assert grown < GROWTH_MEBIBYTES
        add_to_report(row, faults=count)
