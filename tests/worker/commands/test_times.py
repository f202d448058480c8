"""Times as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands.times import unix_milliseconds

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("1h", NOW - timedelta(hours=1)),
        ("2d", NOW - timedelta(days=2)),
        ("90s", NOW - timedelta(seconds=90)),
        ("1w", NOW - timedelta(weeks=1)),
        ("1h30m", NOW - timedelta(minutes=90)),
        (" 1d 12 h ", NOW - timedelta(hours=36)),
        ("0s", NOW),
        ("2026-10-31", datetime(2026, 10, 31, tzinfo=UTC)),
        ("2026-10-31T08:30:00", datetime(2026, 10, 31, 8, 30, tzinfo=UTC)),
        ("2026-10-31T08:30:00Z", datetime(2026, 10, 31, 8, 30, tzinfo=UTC)),
        ("2026-10-31 08:30:00+02:00", datetime(2026, 10, 31, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_iso_8601(written: str, moment: datetime) -> None:
    assert unix_milliseconds(written, NOW) == moment.timestamp() * 1000


@pytest.mark.parametrize("written", ["", "soon", "1", "h", "1y", "-1h", "1h ago", "31.10.2026", "9" * 30 + "d"])
def test_anything_else_is_refused_with_both_forms(written: str) -> None:
    with pytest.raises(ValueError, match=r"1h.*ISO 8601"):
        unix_milliseconds(written, NOW)


def time_or_refusal(written: str) -> int | str:
    try:
        return unix_milliseconds(written, NOW)
    except ValueError as error:
        return str(error)


@given(st.text(max_size=12) | st.from_regex(r"([0-9]{1,20}[smhdw])+", fullmatch=True))
def test_any_text_is_a_time_or_refused_with_words(written: str) -> None:
    outcome = time_or_refusal(written)
    assert isinstance(outcome, int) or "ISO 8601" in outcome
