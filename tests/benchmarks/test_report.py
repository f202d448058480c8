"""Reports name machine and command, hold only measured figures, and give no path away."""

import json
import math
import socket
from pathlib import Path

import pytest

from benchmarks.report import command_line, machine, plot_bars, write_report


def test_the_command_leaves_out_the_files_it_wrote():
    arguments = ["--seconds", "3", "--json", "/somewhere/a.json", "--plot=/somewhere/a.png", "--quick"]
    assert command_line("benchmarks.policies", arguments) == "python -m benchmarks.policies --seconds 3 --quick"


def test_a_report_holds_figures_machine_and_command(tmp_path: Path):
    write_report(tmp_path / "new" / "report.json", {"ratio": 2.5, "peer": {"ratio": 1.0}}, "python -m x")
    report = json.loads((tmp_path / "new" / "report.json").read_text())
    assert report["figures"] == {"ratio": 2.5, "peer": {"ratio": 1.0}}
    assert report["command"] == "python -m x"
    assert {"processor", "cores", "python", "date"} <= report["machine"].keys()


@pytest.mark.parametrize("figures", [{"ratio": math.nan}, {"peer": {"ratio": math.inf}}])
def test_a_figure_that_was_not_measured_is_refused(figures: dict[str, object], tmp_path: Path):
    with pytest.raises(ValueError, match=r"figures\..*ratio is"):
        write_report(tmp_path / "report.json", figures, "python -m x")


def test_the_machine_is_described_without_its_name():
    assert socket.gethostname() not in json.dumps(machine())


def test_bars_are_drawn(tmp_path: Path):
    plot_bars(tmp_path / "bars.png", "Speed", {"ours": 3.0, "others": 1.0}, x_label="ratio")
    assert (tmp_path / "bars.png").stat().st_size > 5_000
