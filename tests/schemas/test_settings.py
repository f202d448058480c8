import os
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.errors import error_lines
from schemas.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("GLICLASS_")]:
        monkeypatch.delenv(name)


def written(**groups: dict[str, Any]) -> dict[str, Any]:
    least: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": ["kafka:9092"]},
        "input": {"topics": ["messages"]},
        "output": {"topic": "classified", "dead_letter_topic": "dead"},
        "policies": {"file": "policies.yaml"},
    }
    return {name: {**least.get(name, {}), **groups.get(name, {})} for name in {**least, **groups}}


def lines_of(**groups: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Settings(**written(**groups))
    return error_lines(caught.value, Settings)


def test_four_groups_are_enough() -> None:
    settings = Settings(**written())
    assert settings.kafka.session_timeout_seconds == 45
    assert settings.model.path is None
    assert settings.output.payload == "all"


def test_the_environment_goes_before_the_file_value_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLICLASS_KAFKA__GROUP_ID", "from-environment")
    monkeypatch.setenv("GLICLASS_INPUT__TOPICS", "a, b")
    monkeypatch.setenv("GLICLASS_KAFKA__BOOTSTRAP_SERVERS", '["one:1", "two:2"]')
    monkeypatch.setenv("GLICLASS_BATCHING__MAX_BATCH_TOKENS", "99")
    monkeypatch.setenv("GLICLASS_OUTPUT__PAYLOAD", "id, ticket.subject")
    monkeypatch.setenv("GLICLASS_MODEL__PATH", "null")
    monkeypatch.setenv("GLICLASS_ADMIN__PORT", "")
    settings = Settings(**written(kafka={"group_id": "from-file", "client_id": "kept"}, model={"path": "/from-file"}))
    assert (settings.kafka.group_id, settings.kafka.client_id) == ("from-environment", "kept")
    assert settings.input.topics == ["a", "b"]
    assert settings.kafka.bootstrap_servers == ["one:1", "two:2"]
    assert settings.batching.max_batch_tokens == 99
    assert settings.output.payload == ["id", "ticket.subject"]
    assert settings.model.path is None
    assert settings.admin.port == 9464


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        ({"output": {"topic": "messages"}}, "output.topic: 'messages' is an input topic too, a loop; choose another"),
        (
            {"output": {"dead_letter_topic": "messages"}},
            "output.dead_letter_topic: 'messages' is an input topic too, a loop; choose another",
        ),
        (
            {"output": {"dead_letter_topic": "classified"}},
            "output.dead_letter_topic: is the output topic too; consumers could not tell them apart",
        ),
        ({"input": {"topics": []}}, "input.topics: List should have at least 1 item after validation, not 0"),
        ({"input": {"topics": ["a", "a"]}}, "input.topics: names a topic twice: remove one"),
        (
            {"delivery": {"guarantee": "exactly_once", "transaction_timeout_seconds": 44}},
            "delivery.transaction_timeout_seconds: must not be below kafka.session_timeout_seconds (45) with "
            "exactly_once, or brokers end transactions of a member still in its group",
        ),
        (
            {"delivery": {"drain_budget_seconds": 50}},
            "kafka.rebalance_timeout_seconds: must be above delivery.drain_budget_seconds (50), "
            "or the partitions are given away before the drain ends",
        ),
        (
            {"delivery": {"publish_floor_seconds": 20}},
            "delivery.publish_floor_seconds: must be below drain_budget_seconds, whose end it reserves",
        ),
        (
            {"delivery": {"stuck_seconds": 30}},
            "delivery.stuck_seconds: must be above 3 times kafka.request_timeout_seconds (30 s), "
            "or a slow broker is taken for a standstill",
        ),
        (
            {"batching": {"low_water_seconds": 5}},
            "batching.low_water_seconds: must be below high_water_seconds",
        ),
        (
            {"input": {"mapping": {"format": "text", "tenant": {"key": True}}}, "output": {"payload": ["id"]}},
            "output.payload: input.mapping.format text has no fields to choose; say all or none",
        ),
        ({"model": {"dtyp": "auto"}}, "model: unknown key 'dtyp'; did you mean 'dtype'?"),
        ({"modle": {}}, "unknown key 'modle'; did you mean 'model'?"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_fix(groups: dict[str, dict[str, Any]], line: str) -> None:
    assert lines_of(**groups) == [line]


def test_every_setting_says_what_it_is_for_or_is_plain_from_its_name() -> None:
    schema = Settings.model_json_schema()
    described = [
        name
        for group in ("KafkaSettings", "BatchingSettings", "DeliverySettings")
        for name, field in schema["$defs"][group]["properties"].items()
        if "description" not in field
    ]
    assert described == ["security"]
