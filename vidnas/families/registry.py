"""Find families and architectures by name. Nothing above this floor names a family."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationError

from vidnas.core import Diagram, UserError, bounds
from vidnas.core.names import suggest
from vidnas.families.architecture import Architecture
from vidnas.families.family import REGISTERED, Family
from vidnas.families.network import Network
from vidnas.families.original import OfficialVariable

_LONGEST_NAME = 64


def families() -> dict[str, Family]:
    """All families by name: those of this and other installed packages, and those constructed in
    this process."""
    _load_installed()
    return dict(sorted(REGISTERED.items()))


@cache
def _load_installed() -> None:
    for point in entry_points(group="vidnas.families"):
        point.load()  # constructs its family


def family_of(architecture: Architecture) -> Family:
    """The family of an architecture.

    Raises:
        UserError: it is not known in this process.
    """
    name = architecture.family
    known = families()
    if name not in known:
        raise UserError(
            f"The family {name!r} is not known in this process, known are {', '.join(known)}; "
            f"construct Family({name!r}, {type(architecture).__name__}) first."
        )
    return known[name]


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
    bounds.require_within(text.encode(errors="replace"), "The architecture")
    try:
        genes = json.loads(text, parse_int=_whole_number)
        name = str(genes.pop("family"))[:_LONGEST_NAME]
        family = families()[name]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"This is not the JSON of an architecture: {error}.") from error
    except KeyError as error:
        raise UserError(
            f"The architecture's family {error} is unknown; {suggest(error.args[0], families())}"
        ) from error
    try:
        return family.architecture.model_validate(genes)
    except ValidationError as error:
        raise UserError(f"The {name} architecture is invalid: {_first_problem(error)}.") from error
    except (ArithmeticError, RecursionError) as error:  # in a family's own checks
        raise UserError(f"The {name} architecture is invalid: {error}.") from error


def _whole_number(digits: str) -> int:
    number = int(digits)
    if abs(number) >= 1 << 63:  # what floats and tensors cannot take
        raise ValueError(f"{digits[:20]}... is too large a number")
    return number


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
    """Build a network with fresh weights, drawn from torch's current generator.

    Args:
        architecture: a published name (see `list_architectures`) or any architecture value.
        num_classes: number of classes.
        genes: genes to replace, such as `max_pool_predictions=True`.

    Raises:
        UserError: the name is unknown, a gene is unknown or invalid, or the family has no networks.
    """
    value = find_architecture(architecture) if isinstance(architecture, str) else architecture
    if genes:
        value = architecture_from_json(json.dumps({**json.loads(value.to_json()), **genes}))
    network = family_of(value).network
    if network is None:
        raise UserError(f"Architectures of the family {value.family} have no network to be built.")
    return network(value, num_classes)


def diagram_of(architecture: Architecture) -> Diagram:
    """The network as boxes and arrows for people to look at."""
    return family_of(architecture).diagram(architecture)


def official_variables(network: Network) -> dict[str, OfficialVariable]:
    """The original implementation's variable names, and where their arrays go.

    Raises:
        UserError: no original implementation with named variables exists, or it cannot build this
            architecture.
    """
    family = family_of(network.architecture)
    if family.official_variables is None:
        raise UserError(
            f"The family {family.name} has no original implementation whose variables could be "
            "loaded; train the network, or load a model that vidnas saved."
        )
    return family.official_variables(network)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
