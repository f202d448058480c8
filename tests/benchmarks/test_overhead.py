"""The overhead benchmark runs, on a real Kafka, and measures what it says."""

import json
from pathlib import Path

import pytest
from support.tiny_checkpoint import write_tiny_checkpoint

from benchmarks.overhead import main


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_a_short_run_measures_loop_memory_and_decisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    checkpoint = tmp_path / "checkpoint"
    write_tiny_checkpoint(checkpoint)
    file, plot = tmp_path / "overhead.json", tmp_path / "overhead.png"
    arguments = ["--messages", "600", "--checkpoint", str(checkpoint), "--json", str(file), "--plot", str(plot)]
    main(arguments)
    figures = json.loads(file.read_text())["figures"]
    assert figures["loop_microseconds_per_message"] > 0.0
    assert figures["longest_loop_block_cpu_ms"] > 0.0
    assert figures["next_batch_ms_at_10000_queued"] > 0.0
    assert figures["messages_per_second"] > 0.0
    assert plot.stat().st_size > 5_000
    assert "messages_per_second" in capsys.readouterr().out
