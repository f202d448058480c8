"""What `init` writes and the Kafka of `kafka`, as a new user puts them together."""

import re
import signal
from pathlib import Path

import pytest
from support.eventually import eventually
from support.forked_process import ForkedProcess
from support.kafka import produce, wait_for_records
from support.tiny_checkpoint import write_tiny_checkpoint

from worker.demo.kafka_properties import free_ports

pytestmark = pytest.mark.integration

TOPICS = "tickets:2,tickets.classified,tickets.dead-letters"


async def test_the_files_of_init_run_on_the_kafka_of_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, errors = tmp_path / "kafka.out", tmp_path / "kafka.err"
    broker = ForkedProcess(["kafka", "--port", "0", "--topics", TOPICS], said, errors)
    assert ForkedProcess(["init", str(tmp_path)], tmp_path / "init.out", tmp_path / "init.err").wait(30) == 0
    await eventually(lambda: "Ctrl-C ends it" in said.read_text(), what="a Kafka that says where it is")
    found = re.search(r"Apache Kafka on (127\.0\.0\.1:\d+)\n  topic tickets, 2 partitions", said.read_text())
    assert found, said.read_text()
    server = found.group(1)
    monkeypatch.setenv("GLICLASS_KAFKA__BOOTSTRAP_SERVERS", server)
    monkeypatch.setenv("GLICLASS_MODEL__PATH", str(write_tiny_checkpoint(tmp_path / "tiny")))
    monkeypatch.setenv("GLICLASS_ADMIN__PORT", str(free_ports(1)[0]))
    monkeypatch.setenv("GLICLASS_POLICIES__FILE", str(tmp_path / "policies.yaml"))
    log = tmp_path / "worker.log"
    worker = ForkedProcess(["run", "--config", str(tmp_path / "config.yaml")], log, log)

    await produce(server, "tickets", (tmp_path / "messages.jsonl").read_bytes().splitlines())
    await wait_for_records(server, "tickets.classified", 3)
    (dead,) = await wait_for_records(server, "tickets.dead-letters", 1)

    assert dict(dead.headers)["gliclass-reason"] == b"tenant_unknown"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(40) == 0
    broker.send_signal(signal.SIGINT)
    assert broker.wait(40) == 0
    assert errors.read_text() == ""
