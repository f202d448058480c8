"""The figures of the training benchmark come out."""

import json
from pathlib import Path

import pytest

from benchmarks.training import main


def test_a_short_run_writes_its_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plot = tmp_path / "training.json", tmp_path / "training.png"
    options = ["--texts", "4", "--batch-size", "2", "--rounds", "1", "--families", "bert", "--formats", "fp32"]
    assert main([*options, "--json", str(file), "--plot", str(plot)]) == 0
    figures = json.loads(file.read_text())["figures"]
    assert figures["bert_fp32_ratio"] > 0
    assert figures["bert_fp32_texts_per_second"] > 0
    assert plot.stat().st_size > 5_000
    assert "x padded" in capsys.readouterr().out
