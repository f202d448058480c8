"""Times that people write on a command line: so long ago, or ISO 8601. Pure."""

import re
from datetime import UTC, datetime, timedelta

FORMS = "write so long ago, as 30m, 1h or 2d, or ISO 8601 in UTC, as 2026-11-01 or 2026-11-01T08:30:00Z"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(?:\d+\s*[smhdw]\s*)+")
_PART = re.compile(r"(\d+)\s*([smhdw])")


def unix_milliseconds(written: str, now: datetime) -> int:
    """Milliseconds since 1970 of `1h30m` before now, or of an ISO 8601 time, UTC where it names no zone.

    Raises ValueError with both forms.
    """
    try:
        text = written.strip()
        if _AGO.fullmatch(text):
            moment = now - sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in _PART.findall(text)), timedelta())
        else:
            moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{written!r} is no time: {FORMS}") from None
