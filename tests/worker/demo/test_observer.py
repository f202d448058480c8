import orjson
import pytest

from schemas import records
from schemas.records import EnrichedRecord, LabelScore, SourceCoordinates, TaskResult
from worker.content.codec import encode_enriched
from worker.demo.observer import classified

HEADERS = {
    records.HEADER_LATENCY_MS: "123",
    records.HEADER_BUDGET_MS: "500",
    records.HEADER_LATE: "1",
    records.HEADER_BATCH_MESSAGES: "9",
}


@pytest.mark.parametrize(
    ("payload", "text"),
    [({"subject": "Hello", "body": "there", "id": 1}, "Hello there"), ({"text": "only"}, "only"), ({}, "")],
)
def test_an_enriched_record_is_read_as_the_worker_writes_it(payload: dict, text: str) -> None:
    enriched = EnrichedRecord(
        record_id="demo-messages-3-42",
        tenant="desk",
        source=SourceCoordinates(topic="demo-messages", partition=3, offset=42, timestamp_ms=0),
        policy_version="v",
        model_digest="d",
        tasks={
            "queue": TaskResult(mode="single", labels=[LabelScore(label="billing", score=0.9)], none=False),
            "abuse": TaskResult(mode="multi", labels=[], none=True),
        },
        truncated_tokens=7,
        payload=orjson.Fragment(orjson.dumps(payload)),
    )

    seen = classified(encode_enriched(enriched), HEADERS)

    assert (seen.topic, seen.source, seen.tenant) == ("demo-messages", (3, 42), "desk")
    assert seen.labels == (("queue", "billing", 0.9),)
    assert (seen.latency_ms, seen.budget_ms, seen.late, seen.batch_messages) == (123.0, 500.0, True, 9)
    assert (seen.text, seen.truncated) == (text, True)
