"""Find families and architectures by name. Nothing above this floor names a family."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationError

from vidnas.core import UserError
from vidnas.core.names import suggest
from vidnas.families.base import Architecture, Family, Network


@cache
def families() -> dict[str, Family]:
    """All families by name: the built-in ones and those of installed third-party packages."""
    found = sorted(entry_points(group="vidnas.families"), key=lambda point: point.name)
    return {point.name: point.load() for point in found}


def register(family: Family) -> None:
    """Make a family known in this process; installed packages use the entry point instead.

    Raises:
        UserError: another family has its name.
    """
    known = families().setdefault(family.name, family)
    if known.architecture is not family.architecture:
        raise UserError(
            f"The family name {family.name!r} is taken by {known.architecture.__qualname__}; give "
            f"{family.architecture.__qualname__} another one."
        )


def list_architectures() -> list[str]:
    """Names of all published architectures, sorted."""
    return sorted(name for family in families().values() for name in family.published)


def find_architecture(name: str) -> Architecture:
    """Return a published architecture by name.

    Raises:
        UserError: no architecture has this name.
    """
    for family in families().values():
        if name in family.published:
            return family.published[name]()
    raise UserError(
        f"There is no published architecture {name!r}; {suggest(name, list_architectures())}"
    )


def architecture_from_json(text: str) -> Architecture:
    """Read an architecture of any family.

    Raises:
        UserError: the text is not JSON, or its family or genes are unknown or invalid.
    """
    try:
        genes = json.loads(text)
        name = genes.pop("family")
        family = families()[name]
    except (json.JSONDecodeError, AttributeError, TypeError) as error:
        raise UserError(f"This is not the JSON of an architecture: {error}.") from error
    except KeyError as error:
        raise UserError(
            f"The architecture's family {error} is unknown; {suggest(error.args[0], families())}"
        ) from error
    try:
        return family.architecture.model_validate(genes)
    except ValidationError as error:
        raise UserError(f"The {name} architecture is invalid: {_first_problem(error)}.") from error


def _from_nested(value: Any) -> Any:
    if isinstance(value, Architecture):
        return value
    try:
        return architecture_from_json(json.dumps(value))
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from error


AnyArchitecture = Annotated[
    Architecture,
    BeforeValidator(_from_nested),
    PlainSerializer(lambda architecture: json.loads(architecture.to_json())),
]
"""An architecture of any family as a field of another value: JSON with the family's name."""


def create_network(architecture: str | Architecture, num_classes: int, **genes: Any) -> Network:
    """Build a network with fresh weights.

    Args:
        architecture: a published name (see `list_architectures`) or any architecture value.
        num_classes: number of classes.
        genes: genes to replace, such as `max_pool_predictions=True`.

    Raises:
        UserError: the name is unknown, or a gene is unknown or invalid.
    """
    value = find_architecture(architecture) if isinstance(architecture, str) else architecture
    if genes:
        value = architecture_from_json(json.dumps({**json.loads(value.to_json()), **genes}))
    return value.build(num_classes)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
