"""Kinds of values that several schemas share."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MEBIBYTE = 1024 * 1024

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_HALF_PAIR = re.compile(r"[\ud800-\udfff]")


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys and converts nothing: `yes` is not 1.0 and 7 is not "7"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _topic_name(name: str) -> str:
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        raise ValueError(f"{name!r} is no Kafka topic name: use 1 to 249 of the characters A-Z a-z 0-9 . _ -")
    return name


class SettingsModel(BaseModel):
    """A frozen group of settings that refuses unknown keys; values may be strings, as environment variables are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def comma_separated(written: Any) -> Any:
    """A list from `a, b`, from a JSON list in a string, or as it is: environment variables hold only strings."""
    if not isinstance(written, str):
        return written
    if written.strip().startswith("[") and written.strip().endswith("]"):
        return json.loads(written)
    return [part.strip() for part in written.split(",") if part.strip()]


def plain_name(name: str) -> str:
    """`name` itself; raises ValueError when it is empty, padded with white space, or unprintable."""
    if not name.strip():
        raise ValueError("is empty: give it a name")
    if name != name.strip():
        raise ValueError(f"{name!r} begins or ends with white space: remove it")
    if _UNPRINTABLE.search(name):
        raise ValueError(f"{name!r} contains a control character or half of a surrogate pair: remove it")
    return name


def has_half_pair(text: str) -> bool:
    """True when `text` holds half of a surrogate pair, which no UTF-8 can carry."""
    return _HALF_PAIR.search(text) is not None


def written_as(pattern: str, how: str) -> BeforeValidator:
    """Refuses a string that `pattern` does not match by saying how it is written, where pydantic shows the pattern."""
    compiled = re.compile(pattern)

    def check(written: Any) -> Any:
        if isinstance(written, str) and not compiled.search(written):
            raise ValueError(f"{written!r} is not understood: write {how}")
        return written

    return BeforeValidator(check)


_DEVICE_PATTERN = r"^(auto|cpu|mps|cuda(:\d+)?)$"
DeviceName = Annotated[
    str, Field(pattern=_DEVICE_PATTERN), written_as(_DEVICE_PATTERN, "auto, cpu, mps, cuda or one of several as cuda:1")
]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{str(path)!r}: {error}; write the whole path") from None


UserPath = Annotated[Path, AfterValidator(_expanded)]
"""A path as people write it: `~` is their home folder."""

TopicName = Annotated[str, AfterValidator(_topic_name)]
_PATH_PATTERN = r"^[^.]+(\.[^.]+)*$"
FieldPath = Annotated[
    str, Field(pattern=_PATH_PATTERN), written_as(_PATH_PATTERN, "keys joined by dots, ticket.subject")
]
"""Keys joined by dots, `ticket.subject`; a number indexes a list, `messages.0.text`, from its end when negative. A
top-level key that holds the whole path, dots and all, comes first."""
_URL_PATTERN = r"^https?://[^/\s]"
HttpUrl = Annotated[str, Field(pattern=_URL_PATTERN), written_as(_URL_PATTERN, "a URL, http://collector:4318")]
PlainName = Annotated[str, AfterValidator(plain_name)]
"""A name that people read: not empty, no white space around it, no control characters."""

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
