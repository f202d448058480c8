"""Label hierarchies: flattened to dot-joined leaves for the model, and scores put back into their shape."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from model.errors import LabelSetError

Hierarchy: TypeAlias = "Mapping[str, Hierarchy] | Sequence[str] | str"
"""Levels by name down to lists of leaf names; a single name stands for a list of one."""
NestedScores: TypeAlias = "dict[str, NestedScores | float]"


def flatten(hierarchy: Hierarchy, separator: str = ".") -> tuple[str, ...]:
    """Leaves in order, each with the names above it: {"sentiment": ["good", "bad"]} → sentiment.good, sentiment.bad.

    Raises:
        LabelSetError: a level is empty or not of names; two leaves have one flat name.
    """
    leaves = tuple(_leaves(hierarchy, (), separator))
    seen: set[str] = set()
    for leaf in leaves:
        if leaf in seen:
            raise LabelSetError(f"labels holds {leaf!r} more than once when its levels are joined by {separator!r}")
        seen.add(leaf)
    return leaves


def nest(scores: Sequence[float], hierarchy: Hierarchy) -> NestedScores:
    """The hierarchy with a score at each leaf.

    scores: one for each leaf, in the order of `flatten`.

    Raises:
        ValueError: there are more or fewer scores than leaves.
    """
    remaining = iter(scores)
    try:
        nested = _nested(hierarchy, remaining)
    except StopIteration:
        raise ValueError(f"{len(scores)} scores are too few for the leaves of the hierarchy") from None
    if next(remaining, None) is not None:
        raise ValueError(f"{len(scores)} scores are too many for the leaves of the hierarchy")
    return nested


def _leaves(level: object, above: tuple[str, ...], separator: str) -> list[str]:
    place = separator.join(above) or "labels"
    if isinstance(level, str):
        level = [level]
    if isinstance(level, Mapping):
        if not level:
            raise LabelSetError(f"{place} is empty; give it at least one label")
        for name in level:
            _require_name(place, name)
        return [leaf for name, below in level.items() for leaf in _leaves(below, (*above, name), separator)]
    if not isinstance(level, Sequence):
        raise LabelSetError(f"{place} is {type(level).__name__}; give a list of labels or further levels")
    if not level:
        raise LabelSetError(f"{place} is empty; give it at least one label")
    for name in level:
        _require_name(place, name)
    return [separator.join((*above, name)) for name in level]


def _nested(level: Hierarchy, scores: Iterator[float]) -> NestedScores:
    if isinstance(level, str):
        return {level: next(scores)}
    if isinstance(level, Mapping):
        return {name: _nested(below, scores) for name, below in level.items()}
    nested: NestedScores = {}
    for name in level:
        nested[name] = next(scores)
    return nested


def _require_name(place: str, name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise LabelSetError(f"{place} holds {name!r}; give every level and label a name")
