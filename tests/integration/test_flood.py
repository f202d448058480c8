"""Backlogs with broken records: what runs through, what stops a worker, and whom one broken producer concerns."""

import asyncio
import json
import random
from pathlib import Path

import pytest
from support.eventually import eventually
from support.faults.worker import fault_worker, slow_down
from support.kafka import produce
from support.stream import Stream
from support.worker_process import WorkerProcess

from worker.demo.local_kafka import LocalKafka

pytestmark = pytest.mark.integration

COUNT = 4000


def tickets(shares: dict[str, float], count: int = COUNT) -> list[bytes]:
    """Messages of the tenants in turn; of each tenant this share lacks the text, in an order drawn by lot."""
    source, tenants = random.Random(0), list(shares)
    values: list[bytes] = []
    for number in range(count):
        tenant = tenants[number % len(tenants)]
        broken = source.random() < shares[tenant]
        values.append(
            json.dumps({"tenant": tenant} if broken else {"tenant": tenant, "text": f"ticket {number}"}).encode()
        )
    return values


async def opened(kafka: LocalKafka, folder: Path, checkpoint: Path, partitions: int, values: list[bytes]) -> Stream:
    stream = await Stream.create(kafka.bootstrap_servers, folder, checkpoint, partitions=partitions)
    await produce(stream.bootstrap_servers, stream.input_topic, values)
    return stream


@pytest.mark.parametrize(("partitions", "seconds_per_text"), [(1, 0.002), (4, 0.0)])
async def test_a_backlog_of_which_fifteen_percent_are_broken_runs_through(
    kafka: LocalKafka, tmp_path: Path, checkpoint: Path, partitions: int, seconds_per_text: float
):
    """With a device that is far slower than its stored cost, and with one that is as fast as it was measured."""
    values = tickets({"shop": 0.15, "forum": 0.15})
    stream = await opened(kafka, tmp_path, checkpoint, partitions, values)
    slow_down(tmp_path, seconds_per_text)
    with WorkerProcess(tmp_path, stream.settings(), launch=fault_worker) as worker:
        outcome = await stream.outcome(COUNT)
        assert outcome.reasons == {"text_missing": sum(b'"text"' not in value for value in values)}
        assert set(outcome.ids.values()) == {1}
        assert await asyncio.to_thread(worker.terminate) == 0


async def test_a_backlog_of_which_a_quarter_is_broken_stops_the_worker_and_says_so(
    kafka: LocalKafka, tmp_path: Path, checkpoint: Path
):
    stream = await opened(kafka, tmp_path, checkpoint, 4, tickets({"shop": 0.25, "forum": 0.25}))
    with WorkerProcess(tmp_path, stream.settings()) as worker:
        assert await asyncio.to_thread(worker.wait) == 1
        assert "became dead letters (of late: text_missing), and delivery.flood_share allows 20%" in worker.log


async def test_one_tenant_whose_producer_is_broken_leaves_the_others_served(
    kafka: LocalKafka, tmp_path: Path, checkpoint: Path
):
    values = tickets({"shop": 0.6, "forum": 0.0}, count=2000)
    stream = await opened(kafka, tmp_path, checkpoint, 4, values)
    with WorkerProcess(tmp_path, stream.settings()) as worker:
        outcome = await stream.outcome(len(values))
        assert sum(value["tenant"] == "forum" for value in outcome.values) == 1000
        assert outcome.reasons == {"text_missing": sum(b'"text"' not in value for value in values)}
        await eventually(
            lambda: worker.metric("gliclass_tenant_flooding", tenant="shop"),
            lambda flooding: flooding == 1,
            what="the flood is counted as that tenant's",
        )
        assert "the other tenants are served on" in worker.log
        assert await asyncio.to_thread(worker.terminate) == 0
