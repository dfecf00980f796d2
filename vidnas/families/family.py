"""A family: where the value, its network, its diagram and its space meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from vidnas.core import Box, Diagram, UserError
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture
from vidnas.families.network import Network
from vidnas.families.original import OfficialVariable
from vidnas.families.space import Space


class EvolutionDefaults(Value):
    """The settings of an evolution for a family, unless others are asked for.

    Children get `max(ceil(d - i / r), 1)` mutations: `mutations` is d and `mutation_decay` r. The
    papers do not state all of their settings; these are defaults for a small machine and some
    hundred evaluations, chosen on NAS-Bench-201 (`benchmarks/nasbench.py`).
    """

    population: PositiveInt = 20
    tournament: PositiveInt = 10
    mutations: PositiveInt = 1
    mutation_decay: PositiveFloat = 20.0


def one_box(architecture: Architecture) -> Diagram:
    """Draw all genes in one box, for families that draw nothing better."""
    genes = ", ".join(f"{name} {value}" for name, value in architecture)
    box = Box(name="genes", column=0, kind="input", label=genes)
    return Diagram(title=architecture.family, columns=("",), boxes=(box,))


@dataclass(frozen=True)
class Family:
    """What makes a kind of architecture a family. Constructing one registers it in this process.

    Unpickling constructs: whoever takes the family along to a worker makes it known there.
    Installed packages construct theirs under the entry point group `vidnas.families`.

    Raises:
        UserError: another architecture class has the name.
    """

    name: str
    architecture: type[Architecture]
    network: Callable[[Any, int], Network] | None = None
    """`network(architecture, num_classes)` builds the network with fresh weights, drawn from
    torch's current generator; None for families that are not trained."""
    diagram: Callable[[Any], Diagram] = one_box
    official_variables: Callable[[Any], dict[str, OfficialVariable]] | None = None
    """The variables of the original code by name, and where they go in a network; None where there
    is no original."""
    space: Callable[..., Space] | None = None
    """`space(*, max_size_px=128, max_frames=32, modalities=("rgb",), sampling=("dense",
    "uniform"))`, all of which have a default: the default space for such clips, whose designs have
    the first sampling; a `UserError` where its networks do not take these modalities.

    None for families that are not searched.
    """
    published: Mapping[str, Callable[[], Architecture]] = field(default_factory=dict)
    """Published architectures by the name that `create_network` takes."""
    evolution: EvolutionDefaults = field(default_factory=EvolutionDefaults)
    fitness: tuple[Literal["likelihood", "top1", "top5", "mean_class"], ...] = ("likelihood",)
    """The validation metrics whose sum is the fitness of a candidate trained on clips.

    After a brief training run the likelihood ranks better than top-1 (`docs/fidelity.md`)."""

    def __post_init__(self) -> None:
        known = REGISTERED.get(self.name)
        if known is not None and _path(known) != _path(self):
            raise UserError(
                f"The family name {self.name!r} is taken by {_path(known)}; give {_path(self)} "
                "another one."
            )
        REGISTERED[self.name] = self

    def __reduce__(self) -> tuple[Callable[[], Family], tuple[()]]:
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return partial(Family, **values), ()


REGISTERED: dict[str, Family] = {}
"""The families constructed in this process, by name; read them with `vidnas.families.families`."""


def _path(family: Family) -> str:
    """Name the class; one that was pickled by value, or defined again in a notebook, keeps it."""
    return f"{family.architecture.__module__}.{family.architecture.__qualname__}"
