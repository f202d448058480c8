"""The matrix of a report."""

from pathlib import Path

from support.faults.report import Row, append, load, matrix


def row(fault: str, mode: str, repeated: int, seconds: list[float]) -> Row:
    return Row(fault, "kill", mode, 2, 1000, 0, repeated, seconds)


def test_the_runs_of_a_fault_are_added_up_and_faults_come_in_order(tmp_path: Path):
    file = tmp_path / "made" / "report.jsonl"
    rows = [
        row("F10", "exactly_once", 0, []),
        row("F2", "exactly_once", 0, [1.0]),
        row("F2", "at_least_once", 3, [1.0, 2.0, 9.0]),
        row("F2", "at_least_once", 4, [3.0]),
    ]
    for each in rows:
        append(file, each)
    assert load(file) == rows
    assert matrix(load(file)).splitlines()[2:] == [
        "| F2 worker stopped (SIGTERM) in the middle of work | 6 | 3,000 | 0 | 7 | 0 | 2.0 (longest 9.0) |",
        "| F10 owner killed, a spare replica takes over | 2 | 1,000 | 0 |  | 0 |  |",
    ]
