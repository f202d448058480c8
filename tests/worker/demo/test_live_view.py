import io
import re

import pytest
from rich.console import Console

from worker.demo.live_view import Moment, plain_line, render, sparkline, whole
from worker.demo.tally import Classified, Tally

PACE = "sends 73/s, 50% of the 146/s that this machine can do: room for a burst"
MOMENT = Moment("steady flow", 20.0, 2000, 2, "embedded Apache Kafka on 127.0.0.1:23456", PACE)
TENANTS = ("city-desk", "game-chat", "market-reviews", "support-desk")


@pytest.fixture
def tally() -> Tally:
    tally = Tally()
    for number in range(400):
        moment = number / 20
        source = (0, number)
        tally.acknowledged(source, moment)
        if number % 20 == 0:
            tally.record_dead_lettered(source, ("invalid_json", "tenant_unknown", "text_missing")[number % 3], moment)
            continue
        record = Classified(
            "in",
            source,
            TENANTS[number % 4],
            50.0 + number,
            500.0,
            late=number > 380,
            batch_messages=1 + number % 9,
            labels=(("queue", f"label {number % 7}", 0.87),),
            text="A long text \x1b[31m with a control character, " * 5,
            truncated=number % 50 == 7,
        )
        tally.record_classified(record, moment)
    return tally


def _screen(tally: Tally, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(render(tally, MOMENT, width=width, height=height))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 60)])
def test_a_screen_fits_the_terminal_and_shows_everything(tally: Tally, width: int, height: int) -> None:
    lines = _screen(tally, width, height)
    text = "\n".join(lines)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    for shown in (
        "steady flow",
        "400 of 2000",
        "on time",
        "messages/batch",
        "batch sizes 1 ",
        "128+",
        "messages a second in the last",
        "same text as before, not scored again 0",
        PACE,
        "invalid_json",
        "latest",
        "label 3",
        "0.87",
    ):
        assert shown in text
    for tenant in TENANTS:
        assert tenant in text
    assert "\x1b" not in text


def test_a_small_terminal_still_shows_the_flow_and_the_tenants(tally: Tally) -> None:
    lines = _screen(tally, 60, 12)
    assert max(map(len, lines)) <= 60
    assert any("game-chat" in line for line in lines)


def test_the_first_screen_needs_no_results() -> None:
    assert any("0 of 2000" in line for line in _screen(Tally(), 80, 24))


def test_a_tenant_that_was_silent_for_a_while_shows_no_latency(tally: Tally) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    later = Moment("draining", 90.0, 2000, 1, "Kafka")
    console.print(render(tally, later, width=120, height=40))
    line = next(line for line in console.export_text().splitlines() if line.startswith("│ city-desk  "))
    assert line.split()[4:6] == ["-", "-"]


def test_the_plain_line_has_the_figures_of_the_last_seconds(tally: Tally) -> None:
    line = plain_line(tally, MOMENT, 5)
    for shown in ("20 s", "steady flow", "in 400 (20/s)", "out 400 (20/s)", "dead letters 20", "waiting 0"):
        assert shown in line
    assert "\n" not in line


def test_a_spark_line_shows_anything_above_zero_and_no_more_than_full() -> None:
    assert sparkline([0, 1, 50, 100, 200], 100) == " ▁▄██"


@pytest.mark.parametrize("width", [40, 60, 72, 80, 90, 100, 120, 200])
def test_no_label_and_no_figure_is_cut_at_any_width(tally: Tally, width: int) -> None:
    lines = _screen(tally, width, 60)
    assert max(map(len, lines)) <= width
    shown = [match for line in lines for match in re.findall(r"label (\d) (\d\d)\b", line)]
    left_out = [int(match) for line in lines for match in re.findall(r"\d\d  \+(\d+)\b", line)]
    assert len(shown) + sum(left_out) == len(TENANTS) * 7
    for name in TENANTS:
        assert any(re.search(rf"│ {name} .*\d\.\d% ", line) for line in lines)
    assert "…" not in "".join(line for line in lines if "label" in line and "%" in line)


def test_a_series_shows_whole_parts_and_counts_the_rest() -> None:
    parts = ["one 1", "two 2", "three 3"]
    assert whole(parts, "  ", 99) == "one 1  two 2  three 3"
    assert whole(parts, "  ", 20) == "one 1  two 2  +1"
    assert whole(parts, "  ", 9) == "one 1  +2"
    assert whole(parts, "  ", 4) == "3…"
    assert whole([], "  ", 4) == ""
