"""Which parts of a parent those of its child are, where some were added or removed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher


def aligned(parent: Sequence[Hashable], child: Sequence[Hashable]) -> list[int | None]:
    """Return the place in the parent of each part of a child; None for one that is new.

    Where there are as many, each is where it was, whatever became of its genes.
    """
    if len(parent) == len(child):
        return [*range(len(child))]
    places: list[int | None] = [None] * len(child)
    for kind, first, last, begin, end in SequenceMatcher(None, parent, child).get_opcodes():
        if kind in ("equal", "replace"):
            for other, own in zip(range(first, last), range(begin, end), strict=False):
                places[own] = other
    return places
