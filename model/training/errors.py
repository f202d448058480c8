"""What can go wrong while training, each with a message that names the fix."""

from collections.abc import Iterable
from difflib import get_close_matches

from model.errors import ModelError

NAMES_SHOWN = 20


class DataError(ModelError):
    """Training or evaluation data that cannot be used; the message names file, line and field."""


class TrainingError(ModelError):
    """A training run that cannot go on; the message says what was saved and where."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown label 'Billing'; did you mean 'billing'?`, or the known names where none resembles it."""
    names = list(known)
    by_folded = {each.strip().casefold(): each for each in reversed(names)}
    nearest = get_close_matches(name.strip().casefold(), by_folded, n=1, cutoff=0.6)
    if nearest:
        return f"unknown {kind} {name!r}; did you mean {by_folded[nearest[0]]!r}?"
    shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    return f"unknown {kind} {name!r}; known: {shown}"


def check_fields(row: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raises DataError, with the nearest or all known fields, for a field of a row that nobody would read."""
    names = tuple(known)
    for name in row:
        if name not in names:
            message = unknown_name("field", name, names)
            listed = "" if "known:" in message else f" Known: {', '.join(names)}"
            raise DataError(f"{where}: {message}{listed}")
