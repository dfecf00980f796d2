"""How a search draws genes and redraws them, and how it tells people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vidnas.core.value import Value

T = TypeVar("T")

Change = tuple[dict[str, Any], str]
"""Genes to replace, and a phrase for people."""
Draw = Callable[[np.random.Generator, Sequence[Any]], Any]


def pick(rng: np.random.Generator, values: Sequence[T]) -> T:
    """Draw one of the values; all are equally likely."""
    return values[int(rng.integers(len(values)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Draw yes or no."""
    return bool(rng.random() < probability)


def nearest(values: Sequence[int], wanted: int) -> int:
    """The largest of the values, in ascending order, that is not above the one wanted; else the
    smallest."""
    return max((value for value in values if value <= wanted), default=values[0])


@dataclass(frozen=True)
class Gene:
    """What a search does with a gene, declared with its field: `Annotated[int, Gene((1, 2, 3))]`.

    The field's default is the gene's neutral value.
    """

    values: tuple[Any, ...] = ()
    """The values that a search visits unless its bounds name fewer, in ascending order; empty where
    there is no list of them."""
    draw: Draw = pick
    """Draws one of the values for a random network."""
    fresh: Callable[[np.random.Generator, Any], Any] | None = None
    """Draws another value than this one, where there is no list of values."""
    label: str = ""
    """What people call the gene; by default its name."""


def genes_of(kind: type[Value]) -> dict[str, Gene]:
    """The genes that a value declares, by name, in the order of its fields."""
    return {
        name: gene
        for name, field in kind.model_fields.items()
        for gene in field.metadata
        if isinstance(gene, Gene)
    }


def redraw(
    owner: Value,
    gene: str,
    values: Sequence[Any],
    rng: np.random.Generator,
    *,
    label: str = "",
    reach: int | None = None,
    names: Mapping[Any, str] | None = None,
) -> Change | None:
    """Draw another value of a gene, all of them equally likely.

    Args:
        owner: the value that has the gene.
        gene: its name.
        values: what it may be, in ascending order where they have one.
        rng: the only source of randomness.
        label: what people call the gene.
        reach: how many places in the list a number may move; None for any number of places.
        names: what people call the values.

    Returns:
        The gene with its new value, and a phrase for people; None where there is no other value.
    """
    old = getattr(owner, gene)
    if reach is None or isinstance(old, bool) or not isinstance(old, int):
        others = [value for value in values if value != old]
    else:
        place = values.index(old)
        others = [value for i, value in enumerate(values) if 0 < abs(i - place) <= reach]
    if not others:
        return None
    new = pick(rng, others)
    return {gene: new}, f"{label} {say(old, names)} -> {say(new, names)}".lstrip()


def say(value: Any, names: Mapping[Any, str] | None = None) -> str:
    """How people are told of a value."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if names and value in names:
        return names[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
