"""Policy changes of a size that keeps a device busy for long, while messages of other tenants flow."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.eventually import eventually
from support.faults.oracle import Oracle
from support.faults.run import Run
from support.faults.worker import slow_labels_down
from support.kafka import read_all
from support.stream import POLICIES
from support.tiny_checkpoint import write_tiny_checkpoint
from support.worker_process import WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.quick, pytest.mark.timeout(300)]

TENANTS_BEFORE, TENANTS_AFTER, LABELS = 20, 1000, 3
SECONDS_PER_LABEL = 0.004
PATIENCE_SECONDS = 3.0
"""Of the device, a tenth of what it is else, and a third of what all labels take."""
BUDGET_SECONDS = 2.0
MESSAGES_PER_SECOND = 5


def policies(tenants: int, suffix: str) -> dict[str, Any]:
    """Those of the messages, and of so many tenants with three labels each that nobody else has."""
    named = POLICIES["tenants"].items()
    theirs = {tenant: policy | {"latency_budget_seconds": BUDGET_SECONDS} for tenant, policy in named}
    others = {
        f"tenant-{number}": {
            "tasks": {"q": {"mode": "multi", "labels": [f"{label} {number} {suffix}" for label in ("a", "b", "c")]}}
        }
        for number in range(tenants)
    }
    return {"tenants": theirs | others}


async def put_in_force(run: Run, worker: WorkerProcess, written: dict[str, Any], loads: int) -> float:
    """Write a policy file; how long it takes until all of it is in force."""
    began_at = time.monotonic()
    partial = run.folder / "policies.new"
    await asyncio.to_thread(partial.write_text, yaml.safe_dump(written))
    partial.replace(run.folder / "policies.yaml")
    await eventually(
        lambda: worker.metric("gliclass_policy_reloads_total", result="ok"),
        lambda reloads: reloads == loads,
        what="the new policies are in force",
        timeout_seconds=120,
    )
    return time.monotonic() - began_at


async def test_f17_thousands_of_new_label_vectors_make_no_message_of_other_tenants_late(
    open_run, add_to_report, tmp_path: Path, rng: random.Random
):
    checkpoint = write_tiny_checkpoint(tmp_path / "bi-encoder", architecture="bi-encoder")
    async with open_run("at_least_once", checkpoint=checkpoint) as run:
        slow_labels_down(run.folder, SECONDS_PER_LABEL, PATIENCE_SECONDS)
        (run.folder / "policies.yaml").write_text(yaml.safe_dump(policies(TENANTS_BEFORE, "first")))
        worker = run.worker(policies={"file": str(run.folder / "policies.yaml"), "reload_interval_seconds": 0.2})
        await asyncio.to_thread(worker.wait_ready)
        steady = Oracle(
            run.cluster.bootstrap_servers, run.input_topic, run.partition_count, rng, rate=MESSAGES_PER_SECOND
        )
        writing = asyncio.create_task(steady.run())
        try:
            more = await put_in_force(run, worker, policies(TENANTS_AFTER, "first"), loads=1)
            other = await put_in_force(run, worker, policies(TENANTS_AFTER, "second"), loads=2)
        finally:
            writing.cancel()
            await asyncio.wait([writing])
        run.extra_inputs += steady.acknowledged
        row = await run.finish("F17", f"20 -> 1,000 tenants in {more:.0f} s, 3,000 new labels in {other:.0f} s")
        assert row.repeated == 0
        assert min(more, other) > PATIENCE_SECONDS
        assert len(steady.acknowledged) > MESSAGES_PER_SECOND * (more + other) / 2
        outputs = await read_all(run.cluster.bootstrap_servers, run.output_topic)
        latencies_ms = [float(dict(record.headers)["gliclass-latency-ms"] or b"") for record in outputs]
        assert [ms for ms in latencies_ms if ms > 1000 * BUDGET_SECONDS] == []
        assert not [record for record in outputs if dict(record.headers)["gliclass-late"] != b"0"]
        assert worker.metric("gliclass_policies_in_force") == TENANTS_AFTER + len(POLICIES["tenants"])
        assert await asyncio.to_thread(worker.terminate) == 0
        add_to_report(row, faults=2)
