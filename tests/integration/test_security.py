"""A real worker on a broker that demands certificates, logins and rights."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.eventually import eventually
from support.forked_process import forked_worker
from support.guarded_kafka import PASSWORD, Guarded, Operation, Resource, login
from support.kafka import committed_offsets
from support.stream import Stream
from support.worker_process import Launch, WorkerProcess, from_command_line

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

REFUSED_WITHIN_SECONDS = 20


@pytest.fixture
async def stream(guarded: Guarded, tmp_path: Path, checkpoint: Path) -> Stream:
    return await Stream.create(guarded.kafka.bootstrap_servers, tmp_path, checkpoint, partitions=1)


def secured(guarded: Guarded, stream: Stream, listener: str, security: dict[str, Any]) -> dict[str, Any]:
    settings = stream.settings()
    settings["kafka"] |= {
        "bootstrap_servers": [guarded.kafka.bootstrap(listener)],
        "security": guarded.with_files(security),
    }
    return settings


@pytest.mark.parametrize(
    ("guarantee", "launch"), [("at_least_once", from_command_line), ("exactly_once", forked_worker)]
)
async def test_messages_flow_over_tls_with_a_login_and_the_password_shows_nowhere(
    guarded: Guarded, stream: Stream, guarantee: str, launch: Launch
):
    security = login("SASL_SSL", "SCRAM-SHA-512", ca_file="ca")
    password_file = stream.folder / "password"
    password_file.write_text(security.pop("password") + "\n")
    settings = secured(guarded, stream, "SASLTLS", {**security, "password_file": str(password_file)})
    settings["delivery"] = {"guarantee": guarantee, "transaction_timeout_seconds": 10}
    settings["telemetry"] = {"log_level": "debug"}
    ids = await stream.produce_messages(20)
    with WorkerProcess(stream.folder, settings, launch=launch) as worker:
        assert (await stream.outcome(20)).ids == dict.fromkeys(ids, 1)
        seen = [worker.get(path)[1] for path in ("/", "/livez", "/readyz", "/metrics")]
        seen.append(Path(f"/proc/{worker.pid}/cmdline").read_text())
        assert await asyncio.to_thread(worker.terminate) == 0
    assert not [text for text in (*seen, worker.log) if PASSWORD in text]


async def test_messages_flow_with_a_client_certificate(guarded: Guarded, stream: Stream):
    certificate = {"protocol": "SSL", "ca_file": "ca", "certificate_file": "certificate", "key_file": "key"}
    ids = await stream.produce_messages(20)
    with WorkerProcess(stream.folder, secured(guarded, stream, "MUTUAL", certificate)) as worker:
        assert (await stream.outcome(20)).ids == dict.fromkeys(ids, 1)
        assert await asyncio.to_thread(worker.terminate) == 0


@pytest.mark.parametrize(
    ("listener", "security", "words"),
    [
        ("SASLTLS", login("SASL_SSL", "SCRAM-SHA-512", ca_file="ca", password="wrong"), ("username and password",)),
        ("SASLTLS", login("SASL_SSL", "SCRAM-SHA-512", ca_file="other"), ("CERTIFICATE_VERIFY_FAILED", "ca_file")),
        ("EXPIRED", {"protocol": "SSL", "ca_file": "other"}, ("expired", "ca_file")),
        ("SASL", login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger"), ("TopicAuthorizationFailedError",)),
    ],
    ids=["wrong password", "untrusted certificate", "expired certificate", "denied topics"],
)
async def test_a_worker_that_is_refused_ends_with_the_reason(
    guarded: Guarded,
    stream: Stream,
    listener: str,
    security: dict[str, Any],
    words: tuple[str, ...],
):
    with WorkerProcess(stream.folder, secured(guarded, stream, listener, security)) as worker:
        assert await asyncio.to_thread(worker.wait, REFUSED_WITHIN_SECONDS) == 1
    (end,) = [event["reason"] for event in worker.events if "the worker ends" in event["event"]]
    assert [word for word in words if word not in end] == []
    assert PASSWORD not in worker.log


async def test_a_group_that_is_denied_ends_the_worker_with_its_name(guarded: Guarded, stream: Stream):
    for topic in (stream.input_topic, stream.output_topic, stream.dead_letter_topic):
        await guarded.allow(Resource.TOPIC, topic, Operation.READ, Operation.WRITE, Operation.DESCRIBE)
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger")
    with WorkerProcess(stream.folder, secured(guarded, stream, "SASL", security)) as worker:
        assert await asyncio.to_thread(worker.wait, REFUSED_WITHIN_SECONDS) == 1
    assert (
        f"GroupAuthorizationFailedError (broker error 30): allow this user to read group '{stream.group}'" in worker.log
    )


async def test_a_dead_letter_topic_that_is_denied_stops_the_partition_and_readiness_and_nothing_is_passed_over(
    guarded: Guarded, stream: Stream
):
    await guarded.allow(Resource.TOPIC, stream.input_topic, Operation.READ, Operation.DESCRIBE)
    await guarded.allow(Resource.TOPIC, stream.output_topic, Operation.WRITE, Operation.DESCRIBE)
    await guarded.allow(Resource.TOPIC, stream.dead_letter_topic, Operation.DESCRIBE)
    await guarded.allow(Resource.GROUP, stream.group, Operation.READ)
    ids = await stream.produce_messages(5)
    ids += await stream.produce_messages(1, first=5, tenant="nobody")
    ids += await stream.produce_messages(5, first=6)
    security = login("SASL_PLAINTEXT", "SCRAM-SHA-256", username="stranger")
    with WorkerProcess(stream.folder, secured(guarded, stream, "SASL", security)) as worker:
        await eventually(
            lambda: worker.get("/readyz")[1],
            lambda body: stream.dead_letter_topic in body,
            what="the topic that holds it up is named",
        )
        assert "TopicAuthorizationFailed" in worker.get("/readyz")[1]
        assert max((await committed_offsets(stream.bootstrap_servers, stream.group)).values(), default=0) <= 5
        await guarded.allow(Resource.TOPIC, stream.dead_letter_topic, Operation.WRITE)
        assert (await stream.outcome(len(ids))).ids == dict.fromkeys(ids, 1)
        await asyncio.to_thread(worker.wait_ready)
        assert await asyncio.to_thread(worker.terminate) == 0
