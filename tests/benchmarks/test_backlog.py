"""The backlog benchmark counts what is lost, and a short run of it stays within its bound."""

import json
from pathlib import Path

import orjson
import pytest

from benchmarks.backlog import bound_mib, main, messages


def test_its_messages_have_about_200_bytes():
    values = list(messages(200))
    assert 150 <= sum(map(len, values)) / len(values) <= 250
    assert {orjson.loads(value)["tenant"] for value in values} == {"tenant-0", "tenant-1"}


def test_the_bound_does_not_depend_on_the_backlog():
    assert 64 < bound_mib() < 1024


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_a_short_run_loses_nothing_and_stays_within_the_bound(tmp_path: Path):
    file, plot = tmp_path / "backlog.json", tmp_path / "backlog.png"
    assert main(["--messages", "3000", "--json", str(file), "--plot", str(plot)]) == 0
    figures = json.loads(file.read_text())["figures"]
    assert figures["processed_messages"] == figures["lag_messages"] == 3000
    assert figures["lost_messages"] == figures["duplicated_messages"] == 0
    assert 0 < figures["peak_above_start_mib"] <= figures["bound_above_start_mib"]
    assert plot.stat().st_size > 5_000
