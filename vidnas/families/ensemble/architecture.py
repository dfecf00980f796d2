"""An ensemble as a value: which networks, and how much each counts."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt, model_validator

from vidnas.core import ClipSpec
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture, require_few
from vidnas.families.registry import AnyArchitecture


class Member(Value):
    """One network of an ensemble."""

    architecture: AnyArchitecture
    weight: PositiveInt = 1
    """How often it was selected."""


class Ensemble(Architecture):
    """Networks of any families, whose logits are averaged.

    Late fusion as in EvaNet (Piergiovanni et al., ICCV 2019, arXiv 1811.10636), whose published
    ensemble adds the logits of four networks, two of RGB and two of flow, and divides by four.
    """

    family: ClassVar[str] = "ensemble"

    members: Annotated[tuple[Member, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_small_enough(self) -> Ensemble:
        require_few(len(self.members))
        return self

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips of all members, each once."""
        specs = (spec for member in self.members for spec in member.architecture.inputs)
        return tuple(dict.fromkeys(specs))

    @property
    def size(self) -> int:
        """The number of votes: the sum of the members' weights."""
        return sum(member.weight for member in self.members)

    def canonical(self) -> Ensemble:
        """Canonical members, whose weights have no common divisor."""
        divisor = math.gcd(*(member.weight for member in self.members))
        members = tuple(
            Member(architecture=m.architecture.canonical(), weight=m.weight // divisor)
            for m in self.members
        )
        return Ensemble(members=members)
