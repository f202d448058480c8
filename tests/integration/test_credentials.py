"""Real workers whose password is changed at the broker while they run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.eventually import eventually
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.kafka_properties import Listener
from worker.demo.local_kafka import LocalKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

LOGIN = {"protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "worker"}


def accepts(password: str) -> dict[str, str]:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return {"sasl.enabled.mechanisms": "PLAIN", "plain.sasl.jaas.config": f'{module} user_worker="{password}";'}


async def started(kafka: LocalKafka, folder: Path, checkpoint: Path, guarantee: str, password: dict[str, Any]):
    folder.mkdir()
    stream = await Stream.create(kafka.bootstrap_servers, folder, checkpoint, partitions=2)
    settings = stream.settings(delivery={"guarantee": guarantee, "transaction_timeout_seconds": 10})
    settings["kafka"] |= {"bootstrap_servers": [kafka.bootstrap("LOGIN")], "security": LOGIN | password}
    return stream, WorkerProcess(folder, settings).start()


async def test_a_replaced_password_file_is_read_and_a_password_that_cannot_be_replaced_ends_the_worker(
    tmp_path: Path, checkpoint: Path
):
    password_file = tmp_path / "password"
    password_file.write_text("before")
    accepted = accepts("before")
    workers: list[WorkerProcess] = []
    with LocalKafka(listeners={"LOGIN": Listener("SASL_PLAINTEXT", accepted)}) as kafka:
        try:
            from_file = {"password_file": str(password_file)}
            once, reading = await started(kafka, tmp_path / "once", checkpoint, "exactly_once", from_file)
            workers.append(reading)
            least, also = await started(kafka, tmp_path / "least", checkpoint, "at_least_once", from_file)
            workers.append(also)
            _, inline = await started(kafka, tmp_path / "inline", checkpoint, "at_least_once", {"password": "before"})
            workers.append(inline)
            for worker in workers:
                await asyncio.to_thread(worker.wait_ready)
            ids = {stream.group: await stream.produce_messages(20) for stream in (once, least)}
            for stream in (once, least):
                await stream.all_done(20)

            accepted.update(accepts("after"))
            await asyncio.to_thread(kafka.kill_broker, 1)
            await asyncio.to_thread(kafka.start_broker, 1, port=kafka.port(1))
            for worker in (reading, also):
                await eventually(
                    lambda worker=worker: worker.get("/readyz"),
                    lambda answer: answer[0] == 503 and "username and password" in answer[1],
                    what="the refused login is said",
                )
            assert await asyncio.to_thread(inline.wait, 60) == 1
            (end,) = [event["reason"] for event in inline.events if "the worker ends" in event["event"]]
            assert "username and password" in end

            password_file.write_text("after")
            for stream, worker in ((once, reading), (least, also)):
                ids[stream.group] += await stream.produce_messages(20, first=20)
                assert (await stream.all_done(40)).ids == dict.fromkeys(ids[stream.group], 1)
                await asyncio.to_thread(worker.wait_ready)
                assert await asyncio.to_thread(worker.terminate) == 0
            assert [word for worker in workers for word in ('"before"', '"after"') if word in worker.log] == []
        finally:
            for worker in workers:
                worker.kill()
