"""How often values occur, for people: numbers in ranges, and things by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vidnas.core.quantities import format_number

_RANGES = 8
_NAMED = 8
_STEPS = (1, 2, 5, 10)


def by_range(values: Sequence[float], unit: str) -> dict[str, int]:
    """Count values in a few ranges of the same round width: `{"0 to 5 s": 3, "5 to 10 s": 8}`."""
    if not values:
        return {}
    least, most = min(values), max(values)
    if most - least < 1e-3 * abs(most):
        return {f"{format_number(most)} {unit}": len(values)}
    rough = (most - least) / _RANGES
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * next(one for one in _STEPS if one * power >= rough))
    first, last = int(least // step), int(most // step)
    counts = Counter(int(value // step) for value in values)
    edges = [f"{step * place:.6g}" for place in range(first, last + 2)]
    return {
        f"{low} to {high} {unit}": counts[first + place]
        for place, (low, high) in enumerate(pairwise(edges))
    }


def by_name(values: Sequence[str]) -> dict[str, int]:
    """Count equal values, the most frequent first; the rare ones of many together."""
    counts = Counter(values).most_common()
    shown = dict(counts[:_NAMED])
    if rest := sum(count for _, count in counts[_NAMED:]):
        shown[f"{len(counts) - _NAMED} others"] = rest
    return shown
