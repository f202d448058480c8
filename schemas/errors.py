"""What people read when something they wrote is refused."""

import re
import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

_NAMES_A_FIELD = re.compile(r"[a-z_]+(\.\w+)*: ")
"""A model's own check names the field below the model that it means: `thresholds: unknown label …`."""

Location = tuple[int | str, ...]


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for, or None when none resembles it."""
    by_folded = {candidate.casefold().replace("-", "_"): candidate for candidate in known}
    matches = get_close_matches(name.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown label 'spm'; did you mean 'spam'?`, or the known names when none resembles it."""
    names = list(known)
    nearest = nearest_name(name, names)
    if nearest is not None:
        return f"unknown {kind} {name!r}; did you mean {nearest!r}?"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"unknown {kind} {name!r}; known: {shown}"


def error_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per mistake, `path.to.field: what is wrong`, without the refused value unless the message names it.

    `model` is the class that was validated; it supplies the nearest known name of an unknown key.
    """
    lines: list[str] = []
    for item in error.errors(include_url=False, include_input=False):
        location, message = item["loc"], item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            location, name = location[:-1], str(location[-1])
            owner = model_at(model, location)
            message = unknown_name("key", name, owner.model_fields if owner else ())
        elif item["type"] == "missing":
            message = "is required"
        elif item["type"] in ("model_type", "model_attributes_type", "dict_type"):
            message = "must be a mapping of keys to values"
        path = ".".join(str(part) for part in location)
        joint = "." if _NAMES_A_FIELD.match(message) else ": "
        lines.append(f"{path}{joint}{message}" if path else message)
    return lines


def model_at(annotation: Any, location: Location) -> type[BaseModel] | None:
    """The model class that sits at `location` below `annotation` (a model class to begin with), if one does."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return model_at(get_args(annotation)[0], location)
    if origin in (Union, types.UnionType):
        found = (model_at(member, location) for member in get_args(annotation))
        return next((member for member in found if member is not None), None)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return annotation
        field = annotation.model_fields.get(str(location[0]))
        return model_at(field.annotation, location[1:]) if field else None
    if origin is not None and location:
        return model_at(get_args(annotation)[-1], location[1:])
    return None
