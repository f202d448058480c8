"""The checks against a broker that demands certificates, logins and rights."""

from typing import Any, NamedTuple

import pytest
from support.guarded_kafka import PASSWORD, Guarded, Operation, Resource, login
from support.kafka import Record, create_topic, produce, read_all, unique_name

from schemas.kafka_settings import KafkaSettings
from schemas.settings import Settings
from worker.checks.kafka import check_kafka
from worker.checks.result import CheckResult, Outcome

pytestmark = pytest.mark.integration


class Topics(NamedTuple):
    input: str
    output: str
    dead_letters: str


@pytest.fixture
async def topics(guarded: Guarded) -> Topics:
    server = guarded.kafka.bootstrap_servers
    return Topics(*[await create_topic(server, name, partitions=2) for name in ("in", "out", "dead")])


async def checked(server: str, topics: Topics, *arguments: Any, **options: Any) -> dict[str, CheckResult]:
    return {result.name: result for result in await all_checked(server, topics, *arguments, **options)}


async def all_checked(
    server: str, topics: Topics, security: dict[str, Any] | None = None, *, routes: tuple[str, ...] = (), **output: Any
) -> list[CheckResult]:
    settings = Settings(
        **{
            "kafka": {
                "bootstrap_servers": [server],
                "group_id": unique_name("group"),
                "request_timeout_seconds": 5,
                "security": security or {},
            },
            "input": {"topics": [topics.input]},
            "output": {"topic": topics.output, "dead_letter_topic": topics.dead_letters, **output},
            "policies": {"file": "policies.yaml"},
        }
    )
    return [result async for result in check_kafka(settings, routes)]


async def test_everything_is_found_and_nothing_is_changed(guarded: Guarded, topics: Topics) -> None:
    server = guarded.kafka.bootstrap_servers
    await produce(server, topics.input, [Record(b"{}", partition=0)])
    results = await checked(server, topics)
    assert {result.outcome for result in results.values()} == {Outcome.OK}
    assert list(results) == [
        "Kafka connection",
        f"input topic {topics.input!r}",
        f"output topic {topics.output!r}",
        f"dead letters topic {topics.dead_letters!r}",
        "record sizes",
        "limits of the brokers",
        "consumer group",
        "members of the group",
        f"output topic {topics.output!r} writable",
        f"dead letters topic {topics.dead_letters!r} writable",
    ]
    assert results[f"input topic {topics.input!r}"].detail.startswith("2 partitions, records up to ")
    assert await read_all(server, topics.output, topics.dead_letters) == []


async def test_topics_that_do_not_exist_are_named_and_not_created(guarded: Guarded, topics: Topics) -> None:
    server = guarded.kafka.bootstrap_servers
    missing = topics._replace(dead_letters=unique_name("missing"))
    for _ in range(2):
        results = await checked(server, missing, routes=("missing-route",))
        failed = {name: result.detail for name, result in results.items() if not result.ok}
        assert failed == {
            f"dead letters topic {missing.dead_letters!r}": "does not exist: create it, or correct the name",
            "route topic 'missing-route'": "does not exist: create it, or correct the name",
        }


async def test_a_topic_that_takes_less_than_the_input_is_a_warning(guarded: Guarded, topics: Topics) -> None:
    server = guarded.kafka.bootstrap_servers
    small = await create_topic(server, "small", config={"max.message.bytes": "2000"})
    results = await all_checked(server, topics._replace(output=small))
    (warning,) = [result.detail for result in results if result.outcome is Outcome.WARNING]
    assert warning.startswith(f"topic {small!r} takes records up to 2000 bytes, input topic {topics.input!r} up to ")
    assert warning.endswith(f"are published without their payload; raise max.message.bytes of {small!r}")
    without_payload = await all_checked(server, topics._replace(output=small), payload="none")
    assert {result.outcome for result in without_payload} == {Outcome.OK}


@pytest.mark.parametrize(
    ("listener", "security"),
    [
        ("SASL", login("SASL_PLAINTEXT", "SCRAM-SHA-256")),
        ("SASLTLS", login("SASL_SSL", "SCRAM-SHA-512", ca_file="ca")),
        ("MUTUAL", {"protocol": "SSL", "ca_file": "ca", "certificate_file": "certificate", "key_file": "key"}),
    ],
)
async def test_logins_and_certificates_are_accepted(
    guarded: Guarded, topics: Topics, listener: str, security: dict[str, Any]
) -> None:
    results = await checked(guarded.kafka.bootstrap(listener), topics, guarded.with_files(security))
    assert [result for result in results.values() if not result.ok] == []


@pytest.mark.parametrize(
    ("listener", "security", "words"),
    [
        (
            "SASL",
            login("SASL_PLAINTEXT", "SCRAM-SHA-256", password="wrong"),
            ("Authentication", "username and password"),
        ),
        ("SASL", login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="nobody"), ("Authentication", "username")),
        ("SASL", login("SASL_PLAINTEXT", "SCRAM-SHA-512"), ("does not offer this SASL mechanism", "sasl_mechanism")),
        ("SASL", {}, ("hung up", "kafka.security.protocol")),
        ("SASLTLS", login("SASL_SSL", "SCRAM-SHA-512"), ("CERTIFICATE_VERIFY_FAILED", "ca_file")),
        ("SASLTLS", login("SASL_SSL", "SCRAM-SHA-512", ca_file="other"), ("CERTIFICATE_VERIFY_FAILED", "ca_file")),
        ("EXPIRED", {"protocol": "SSL", "ca_file": "other"}, ("expired", "ca_file")),
        ("MUTUAL", {"protocol": "SSL", "ca_file": "ca"}, ("client certificate",)),
        ("PLAINTEXT", {"protocol": "SSL", "ca_file": "ca"}, ("check kafka.security",)),
    ],
)
async def test_a_refused_connection_says_why(
    guarded: Guarded, topics: Topics, listener: str, security: dict[str, Any], words: tuple[str, ...]
) -> None:
    results = await checked(guarded.kafka.bootstrap(listener), topics, guarded.with_files(security))
    assert list(results) == ["Kafka connection"]
    (result,) = results.values()
    assert result.outcome is Outcome.FAILED
    assert [word for word in words if word not in result.detail] == []
    assert PASSWORD not in result.detail


async def test_a_user_without_rights_is_told_which_are_missing(guarded: Guarded, topics: Topics) -> None:
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger")
    results = await checked(guarded.kafka.bootstrap("SASL"), topics, security)
    denied = [result for result in results.values() if not result.ok]
    assert {result.name.split()[0] for result in denied} == {"input", "output", "dead"}
    assert all("TopicAuthorizationFailedError" in result.detail for result in denied)


async def test_a_compacted_output_topic_and_replicas_that_cannot_be_in_sync_are_foreseen(
    guarded: Guarded, topics: Topics
) -> None:
    server = guarded.kafka.bootstrap_servers
    compacted = await create_topic(server, "compacted", config={"cleanup.policy": "compact,delete"})
    strict = await create_topic(server, "strict", config={"min.insync.replicas": "2"})
    found = await all_checked(server, topics._replace(output=compacted, dead_letters=strict))
    compaction, in_sync = [result for result in found if result.name == "topic configuration"]
    assert (compaction.outcome, in_sync.outcome) == (Outcome.WARNING, Outcome.WARNING)
    assert f"topic {compacted!r} is compacted (cleanup.policy=compact,delete)" in compaction.detail
    assert f"topic {strict!r} demands 2 replicas in sync (min.insync.replicas) and has 1" in in_sync.detail


async def test_a_broker_of_today_takes_records_with_fewer_replicas_than_are_to_be_in_sync(guarded: Guarded) -> None:
    server = guarded.kafka.bootstrap_servers
    strict = await create_topic(server, "strict", config={"min.insync.replicas": "2"})
    await produce(server, strict, [Record(b"{}")])
    assert [each.value for each in await read_all(server, strict)] == [b"{}"]


async def test_the_right_to_transactional_ids_is_tried_for_exactly_once(guarded: Guarded, topics: Topics) -> None:
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger")
    server = guarded.kafka.bootstrap("SASL")
    for topic in topics:
        await guarded.allow(Resource.TOPIC, topic, Operation.READ, Operation.WRITE, Operation.DESCRIBE)
    settings = Settings(
        **{
            "kafka": {"bootstrap_servers": [server], "group_id": "transactors", "security": security},
            "input": {"topics": [topics.input]},
            "output": {"topic": topics.output, "dead_letter_topic": topics.dead_letters},
            "policies": {"file": "policies.yaml"},
            "delivery": {"guarantee": "exactly_once"},
        }
    )
    denied = {result.name: result async for result in check_kafka(settings, ())}["transactions"]
    assert denied.outcome is Outcome.FAILED
    assert "allow this user to describe and write transactional ids that begin with 'transactors-'" in denied.detail
    trusted = settings.model_copy(update={"kafka": KafkaSettings(bootstrap_servers=[guarded.kafka.bootstrap_servers])})
    allowed = {result.name: result async for result in check_kafka(trusted, ())}["transactions"]
    assert allowed.outcome is Outcome.OK
