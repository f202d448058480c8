"""The three ways of writing a task's labels, read into one: a list, label -> description, or a hierarchy."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from schemas.types import has_half_pair, plain_name

RESERVED_MARKERS = ("<<LABEL>>", "<<SEP>>", "<<EXAMPLE>>")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One label. `path` has one part in a flat label set; its parts joined by dots are the label's name."""

    path: tuple[str, ...]
    description: str | None = None

    @property
    def name(self) -> str:
        return ".".join(self.path)


def read_labels(written: Any) -> tuple[Leaf, ...]:
    """The leaves of `written` in their order.

    A list holds labels; a mapping holds label -> description, label -> null, or branch -> labels (again a list or a
    mapping). Raises ValueError, naming the label and the fix: no label at all, a bare string, a label that YAML read
    as another type, a duplicate, a reserved marker, a dot inside a hierarchy.
    """
    if isinstance(written, str):
        raise ValueError(f"is the string {written!r}: write a list, [{written}]")
    if not isinstance(written, list | dict):
        raise ValueError(f"is {_shown(written)}: write a list of labels, a mapping label: description, or a hierarchy")
    leaves = tuple(_leaves(written, ()))
    if not leaves:
        raise ValueError("names no label: a task needs at least one")
    repeated = [name for name, count in Counter(leaf.name for leaf in leaves).items() if count > 1]
    if repeated:
        raise ValueError(f"duplicate label {repeated[0]!r}: each label may stand once")
    paths = {leaf.path for leaf in leaves}
    for leaf in leaves:
        above = next((leaf.path[:depth] for depth in range(1, len(leaf.path)) if leaf.path[:depth] in paths), None)
        if above is not None:
            raise ValueError(f"{'.'.join(above)!r} is both a label and a branch: rename one of them")
        if len(leaf.path) > 1:
            for part in leaf.path:
                if "." in part:
                    raise ValueError(f"{part!r} has a dot inside a hierarchy, where dots join the levels: remove it")
    return leaves


def model_text(text: str, what: str) -> str:
    """`text` itself; raises ValueError when it holds half a surrogate pair, or a marker that the model obeys."""
    if has_half_pair(text):
        raise ValueError(f"{what} contains half of a surrogate pair: remove it")
    for marker in RESERVED_MARKERS:
        if marker in text:
            raise ValueError(f"{what} contains the reserved marker {marker}: remove it")
    return text


def _leaves(written: Any, path: tuple[str, ...]) -> list[Leaf]:
    if isinstance(written, str):
        return [Leaf((*path, _label(written)))]
    if isinstance(written, list):
        return [leaf for item in written for leaf in _leaves(_list_item(item), path)]
    if isinstance(written, dict):
        return [leaf for key, below in written.items() for leaf in _below((*path, _label(key)), below)]
    raise ValueError(_type_message(written))


def _list_item(item: Any) -> Any:
    if isinstance(item, list):
        raise ValueError("is a list inside a list: give the inner list a name, branch: [label, label]")
    return item


def _below(path: tuple[str, ...], below: Any) -> list[Leaf]:
    if below is None:
        return [Leaf(path)]
    if isinstance(below, str):
        if not below.strip():
            raise ValueError(f"label {'.'.join(path)!r} has an empty description: leave it out")
        what = f"the description of label {'.'.join(path)!r}"
        return [Leaf(path, model_text(below, what))]
    if not isinstance(below, list | dict):
        raise ValueError(f"the description of label {'.'.join(path)!r} is {_shown(below)}: put it in quotes")
    if not below:
        raise ValueError(f"branch {'.'.join(path)!r} has no labels")
    return _leaves(below, path)


def _label(label: Any) -> str:
    if not isinstance(label, str):
        raise ValueError(_type_message(label))
    try:
        plain_name(label)
    except ValueError as error:
        raise ValueError(f"label {error}") from None
    return model_text(label, f"label {label!r}")


def _type_message(label: Any) -> str:
    return f'label {_shown(label)} is not a string: put it in quotes, as in "{_as_written(label)}"'


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()} (YAML reads yes, no, on, off, true and false as booleans)"
    if value is None:
        return "null"
    return f"the {type(value).__name__} {value}"


def _as_written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "null" if value is None else str(value)
