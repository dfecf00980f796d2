"""Genes of the answer that are as large as the space allows, where larger is more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from vidnas.core import UserError
from vidnas.families import Architecture, architecture_from_json
from vidnas.profiling import affordable_cost

_KEPT = 16
_ANY_CLASSES = 10
"""How many classes there are changes no order of costs."""


def genes_at_edge(
    architecture: Architecture, space: Mapping[str, Any], *, whole_size: bool = False
) -> list[str]:
    """Return what people call the genes that have the largest value of a space, and would cost less
    with the one before: a larger stride is at no edge. Nor is what the videos have no more of.

    Args:
        architecture: of the space.
        space: as it describes itself.
        whole_size: whether the largest clips are as large as the videos.
    """
    used_up = {*_used_up(space), *(["size_px"] if whole_size else [])}
    largest: dict[str, tuple[int, int]] = {}
    for name, values in _largest(space):
        if name not in used_up:
            largest.setdefault(name, values)  # a list of values says more than a bound
    genes = json.loads(architecture.to_json())
    found = set()
    for name, (last, one_before) in largest.items():
        for value in _values(genes, name):
            if isinstance(value, list) and len(value) == last:
                found.add(f"number of {_called(name)}")
            elif value == last and _is_cheaper(
                _changed(genes, name, last, one_before), architecture
            ):
                found.add(_called(name))
    return sorted(found)


def _largest(space: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    """Return the largest value of each numeric gene that a space describes, and the one before."""
    if not isinstance(space, Mapping):
        return
    for name, values in space.items():
        if isinstance(values, Mapping):
            yield from _largest(values)
        elif name.startswith("max_") and isinstance(values, int):
            yield name.removeprefix("max_"), (values, values - 1)
        elif isinstance(values, list) and len(values) > 2 and _rising(values):
            yield name, (values[-1], values[-2])


def _used_up(space: Mapping[str, Any]) -> Iterator[str]:
    """Yield the frames of clips where the videos have not twice as many: no search has much more
    to offer then."""
    frames, length = space.get("frames"), space.get("max_frames")
    if not isinstance(frames, list) or not isinstance(length, int) or not _rising(frames):
        return
    if 2 * max(frames, default=0) > length:
        yield "frames"


def _rising(values: list[Any]) -> bool:
    numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in values)
    return numbers and values == sorted(values)


def _values(genes: Any, name: str) -> Iterator[Any]:
    """Return the values of all genes of a name."""
    if isinstance(genes, Mapping):
        for key, value in genes.items():
            if key == name and not isinstance(value, bool):
                yield value
            yield from _values(value, name)
    elif isinstance(genes, list):
        for one in genes:
            yield from _values(one, name)


def _is_cheaper(genes: Any, than: Architecture) -> bool:
    """Return whether a network of these genes costs less; one that cannot be does not."""
    try:
        return _size(architecture_from_json(json.dumps(genes))) < _size(than)
    except UserError:
        return False


def _changed(genes: Any, name: str, old: int, new: int) -> Any:
    """Return genes with another value of those that have the name and the old value."""
    if isinstance(genes, Mapping):
        return {
            key: new if key == name and value == old else _changed(value, name, old, new)
            for key, value in genes.items()
        }
    if isinstance(genes, list):
        return [_changed(one, name, old, new) for one in genes]
    return genes


@lru_cache(_KEPT)
def _size(architecture: Architecture) -> tuple[int, int]:
    cost = affordable_cost(architecture, _ANY_CLASSES)
    return cost.macs, cost.parameters


def _called(name: str) -> str:
    return name.replace("_", " ").replace("size px", "size")
