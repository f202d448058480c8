"""The benchmark with thousands of tenants, with a few: its policy file, and both starts."""

import argparse
from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from benchmarks.tenants import measure, policies
from worker.config import parse_policies
from worker.demo.local_kafka import LocalKafka


def test_no_two_labels_of_the_policy_file_are_equal():
    file = parse_policies(policies(7, 3, 4), "policies")
    labels = [label for policy in file.tenants.values() for task in policy.tasks.values() for label in task.label_names]
    assert len(set(labels)) == len(labels) == 84


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_the_second_start_finds_what_the_first_has_kept(kafka: LocalKafka, tmp_path: Path):
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny", architecture="bi-encoder")
    options = argparse.Namespace(model=str(checkpoint), tenants=4, tasks=2, labels=3)
    found = await measure(options, kafka.bootstrap_servers, tmp_path)
    assert found["labels"] == 24
    assert found["vectors_on_disk_bytes"] > 0
    assert found["scrape_bytes"] > 1000
    assert found["memory_mib"] > 100
