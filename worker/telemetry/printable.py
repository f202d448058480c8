"""Other people's text on a terminal: what would steer it is shown instead of obeyed."""

import re
from collections.abc import Mapping
from typing import Any

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters other than tab and newline, marks that turn the direction of writing, halves of pairs."""


def printable(text: str) -> str:
    """`text` with escape sequences and turns of direction written out, as `\\x1b`."""
    return _STEERING.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


def printable_values(value: Any) -> Any:
    """Every string inside lists and mappings made printable; anything else as it is."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_values(key): printable_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(printable_values(item) for item in value)
    return value
