import io
import json
from pathlib import Path

from rich.console import Console

from worker.demo.summary import Summary, summary_table, write_report
from worker.demo.tally import Classified, Tally


def _tally() -> Tally:
    tally = Tally()
    for offset in range(10):
        tally.acknowledged((0, offset), 0.0)
    for offset in range(8):
        record = Classified("in", (0, offset), "desk", 100.0 * (offset + 1), 750.0, offset == 7, 4, (), "text", False)
        tally.record_classified(record, 1.0)
    tally.record_dead_lettered((0, 8), "invalid_json", 2.0)
    tally.record_dead_lettered((0, 8), "invalid_json", 2.5)
    return tally


def test_the_summary_tells_what_is_missing_and_what_came_twice(tmp_path: Path) -> None:
    write_report(tmp_path / "report.json", Summary.of(_tally()))
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "messages_in": 10,
        "classified": 8,
        "dead_lettered": 1,
        "lost": 1,
        "duplicates": 1,
        "on_time_ratio": 0.875,
        "messages_per_second": 4.5,
        "latency_ms": {"p50": 400.0, "p95": 800.0, "p99": 800.0},
    }


def test_nothing_at_all_makes_a_summary_too() -> None:
    summary = Summary.of(Tally())
    assert (summary.messages_in, summary.lost, summary.messages_per_second) == (0, 0, 0.0)


def test_the_table_fits_eighty_columns_and_names_the_loss() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary_table(Summary.of(_tally()), _tally()))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split() == ["lost", "1"] for line in lines)
    assert any(line.split()[:3] == ["desk", "8", "87.5%"] for line in lines)


def test_the_summary_says_at_what_pace_and_what_was_not_scored_again() -> None:
    table = summary_table(Summary.of(_tally()), _tally(), "sends 73/s, 50% of the 146/s that this machine can do")
    assert isinstance(table.caption, str)
    assert "the demo sends 73/s, 50% of the 146/s that this machine can do" in table.caption
    assert "0 with the text of an earlier one, not scored again" in table.caption
