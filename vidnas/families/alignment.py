"""Which parts of a parent those of its child are, where some were added or removed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from itertools import takewhile


def aligned(parent: Sequence[Hashable], child: Sequence[Hashable]) -> list[int | None]:
    """Return the place in the parent of each part of a child; None for one that is new.

    Where there are as many, each is where it was, whatever became of its genes.
    """
    if len(parent) == len(child):
        return [*range(len(child))]
    # What both begin with is found first: of two equal parts the new one is the second, and the
    # longest match would often say the first.
    pairs = zip(parent, child, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    places: list[int | None] = [*range(same), *[None] * (len(child) - same)]
    rest = SequenceMatcher(None, parent[same:], child[same:])
    for kind, first, last, begin, end in rest.get_opcodes():
        if kind in ("equal", "replace"):
            for other, own in zip(range(first, last), range(begin, end), strict=False):
                places[same + own] = same + other
    return places
