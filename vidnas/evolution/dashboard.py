"""What Optuna's dashboard is told of a candidate: its genes as parameters, so that it can plot them
and say which of them matter."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic.errors import PydanticUserError

from vidnas.evolution.trial import Proposal
from vidnas.families import Architecture

METRIC_NAME = "fitness"
_ORIGIN = CategoricalDistribution(("design", "random", "child"))
_MOST = 2**20
"""The end of a range that a gene leaves open."""


def parameters(
    proposal: Proposal, known: Mapping[str, BaseDistribution]
) -> dict[str, tuple[Any, BaseDistribution]]:
    """Return the values of the genes by name, each with the values that it may have.

    These are the numbers, the choices, and how long each list is (`number of blocks`), after genes
    that cannot matter were set to their neutral values; and where the candidate came from.

    Args:
        proposal: the candidate.
        known: the values that each may have as they were written before: a database keeps to them.
    """
    genes = proposal.architecture.canonical()
    origin = "random" if proposal.parent is None else "child"
    found: dict[str, tuple[Any, BaseDistribution]] = {}
    found["origin"] = ("design" if proposal.design else origin, _ORIGIN)
    for name, possible in _distributions(type(genes)).items():
        value = getattr(genes, name)
        if isinstance(value, (tuple, list)):
            found[f"number of {name}"] = (len(value), possible)
        else:
            found[name] = (value, possible)
    return {
        name: (value, possible)
        for name, (value, possible) in found.items()
        if known.get(name, possible) == possible and _holds(possible, value)
    }


@lru_cache(maxsize=64)
def _distributions(kind: type[Architecture]) -> dict[str, BaseDistribution]:
    """Return what the genes of a family may be, as far as its fields say so."""
    try:
        fields = kind.model_json_schema(by_alias=False).get("properties", {})
    except PydanticUserError:  # a type that JSON schemas have no word for
        return {}
    found = {name: _distribution(field) for name, field in fields.items()}
    return {name: possible for name, possible in found.items() if possible is not None}


def _distribution(field: Mapping[str, Any]) -> BaseDistribution | None:
    kind = field.get("type")
    if "enum" in field:
        return CategoricalDistribution(field["enum"])
    if kind == "boolean":
        return CategoricalDistribution((False, True))
    if kind == "array":
        return IntDistribution(field.get("minItems", 0), field.get("maxItems", _MOST))
    least = field.get("minimum", field.get("exclusiveMinimum"))
    most = field.get("maximum", field.get("exclusiveMaximum", _MOST))
    if kind == "integer" and least is not None:
        least += "exclusiveMinimum" in field
        return IntDistribution(least, most, log=least > 0)
    if kind == "number" and least is not None:
        return FloatDistribution(least, most)
    return None


def _holds(possible: BaseDistribution, value: Any) -> bool:
    try:
        return possible._contains(possible.to_internal_repr(value))
    except ValueError:  # as Optuna says that a choice is unknown
        return False
