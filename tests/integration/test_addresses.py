"""Real workers whose only broker comes back under another address."""

import asyncio
from pathlib import Path

import pytest
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.kafka_properties import free_ports
from worker.demo.local_kafka import LocalKafka

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_workers_of_both_guarantees_find_a_broker_that_comes_back_at_another_bootstrap_server(
    tmp_path: Path, checkpoint: Path
):
    with LocalKafka() as kafka:
        old, new = kafka.bootstrap_servers, free_ports(1)[0]
        workers: list[WorkerProcess] = []
        streams: list[Stream] = []
        try:
            for guarantee in ("at_least_once", "exactly_once"):
                folder = tmp_path / guarantee
                folder.mkdir()
                stream = await Stream.create(old, folder, checkpoint, partitions=2)
                settings = stream.settings(delivery={"guarantee": guarantee, "transaction_timeout_seconds": 10})
                settings["kafka"]["bootstrap_servers"] = [old, f"127.0.0.1:{new}"]
                workers.append(WorkerProcess(folder, settings).start())
                streams.append(stream)
            before = [await stream.produce_messages(20) for stream in streams]
            for stream, worker in zip(streams, workers, strict=True):
                await asyncio.to_thread(worker.wait_ready)
                await stream.all_done(20)
            await asyncio.to_thread(kafka.kill_broker, 1)
            await asyncio.to_thread(kafka.start_broker, 1, port=new)
            assert kafka.bootstrap_servers == f"127.0.0.1:{new}"
            for stream, worker, ids in zip(streams, workers, before, strict=True):
                stream.bootstrap_servers = kafka.bootstrap_servers
                ids += await stream.produce_messages(20, first=20)
                assert (await stream.all_done(40)).ids == dict.fromkeys(ids, 1)
                await asyncio.to_thread(worker.wait_ready)
                assert "the bootstrap servers name them anew" in worker.log
                assert await asyncio.to_thread(worker.terminate) == 0
        finally:
            for worker in workers:
                worker.kill()
