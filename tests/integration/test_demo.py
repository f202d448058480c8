"""The demo from end to end, on a model small enough that only delivery is at stake."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.eventually import eventually
from support.kafka import admin_client

from worker.demo.local_kafka import LocalKafka
from worker.demo.options import DemoOptions
from worker.demo.run import run_demo
from worker.errors import ExitStatus

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_two_replicas_classify_everything_once_and_leave_no_topic_behind(
    kafka: LocalKafka, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DemoOptions(
        messages=400,
        rate=100,
        replicas=2,
        live=False,
        report=tmp_path / "report.json",
        bootstrap_servers=kafka.bootstrap_servers,
        model=checkpoint,
    )

    assert run_demo(options) == ExitStatus.OK

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["messages_in"] == 400
    assert report["classified"] + report["dead_lettered"] == 400
    assert report["dead_lettered"] > 0
    assert (report["lost"], report["duplicates"]) == (0, 0)
    assert "messages in" in capsys.readouterr().out
    no_topic_left = eventually(
        lambda: _topics_of_the_demo(kafka), lambda topics: not topics, what="no topic left behind", timeout_seconds=20
    )
    asyncio.run(no_topic_left)


def test_an_unreachable_kafka_is_an_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(DemoOptions(bootstrap_servers="127.0.0.1:1")) == ExitStatus.FAILED
    (line,) = capsys.readouterr().out.splitlines()
    assert "no Kafka answers at 127.0.0.1:1: check --bootstrap-servers" in line


def test_ctrl_c_ends_the_sending_and_brings_home_what_was_sent(
    kafka: LocalKafka, checkpoint: Path, tmp_path: Path
) -> None:
    demo = _start(kafka, checkpoint, tmp_path)
    _wait_for_line(demo, " in ")

    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate()

    assert demo.returncode == ExitStatus.OK, output
    report = json.loads((tmp_path / "report.json").read_text())
    assert 0 < report["messages_in"] < 100_000
    assert report["lost"] == 0


def test_a_worker_that_is_killed_ends_the_demo_with_its_name(
    kafka: LocalKafka, checkpoint: Path, tmp_path: Path
) -> None:
    demo = _start(kafka, checkpoint, tmp_path)
    _wait_for_line(demo, " in ")

    os.kill(_worker_of(demo.pid), signal.SIGKILL)
    output, _ = demo.communicate()

    assert demo.returncode == ExitStatus.FAILED
    assert "worker-1 was ended by SIGKILL; end of its log:" in output


def _start(kafka: LocalKafka, checkpoint: Path, directory: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "worker.cli", "demo", "--no-live", "--messages", "100000", "--rate", "50"]
    options = ["--bootstrap-servers", kafka.bootstrap_servers, "--model", str(checkpoint)]
    report = ["--report", str(directory / "report.json")]
    return subprocess.Popen([*command, *options, *report], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _wait_for_line(process: "subprocess.Popen[str]", part: str) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if part in line:
            return
    raise AssertionError("".join(seen))


def _worker_of(parent: int) -> int:
    for task in Path(f"/proc/{parent}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"run" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    raise AssertionError("no worker process")


async def _topics_of_the_demo(kafka: LocalKafka) -> list[str]:
    async with admin_client(kafka.bootstrap_servers) as admin:
        return [name for name in await admin.list_topics() if name.startswith("gliclass-demo-")]
