import pytest
from pydantic import ValidationError

from schemas import records
from schemas.records import DeadLetterHeaders, DeadLetterReason, EnrichedRecord


def test_header_names_are_distinct_and_those_of_the_schema() -> None:
    constants = {name: value for name, value in vars(records).items() if name.startswith("HEADER_")}
    assert len(set(constants.values())) == len(constants)
    aliases = {field.alias for field in DeadLetterHeaders.model_fields.values()}
    assert aliases <= set(constants.values())


def test_dead_letter_headers_are_read_by_their_wire_names() -> None:
    headers = DeadLetterHeaders.model_validate(
        {
            "gliclass-reason": "invalid_json",
            "gliclass-error": "line 1",
            "gliclass-source-topic": "messages",
            "gliclass-source-partition": "3",
            "gliclass-source-offset": "17",
            "gliclass-source-timestamp-ms": "-1",
            "gliclass-dead-lettered-at-ms": "1700000000000",
            "another": "header",
        }
    )
    assert (headers.reason, headers.source_offset, headers.tenant) == (DeadLetterReason.INVALID_JSON, 17, None)


def test_an_enriched_record_with_a_score_outside_0_to_1_is_refused() -> None:
    written = {
        "record_id": "messages-0-1",
        "tenant": "acme",
        "source": {"topic": "messages", "partition": 0, "offset": 1, "timestamp_ms": 5},
        "policy_version": "v",
        "model_digest": "d",
        "tasks": {"topic": {"mode": "multi", "labels": [{"label": "spam", "score": 1.01}], "none": False}},
    }
    with pytest.raises(ValidationError, match=r"tasks\.topic\.labels\.0\.score"):
        EnrichedRecord.model_validate(written)
