"""An ensemble as a value: which networks, and how much each counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveInt

from vidnas.core import Box, ClipSpec, Diagram, Edge
from vidnas.core.value import Value
from vidnas.families.base import Architecture
from vidnas.families.registry import AnyArchitecture

if TYPE_CHECKING:
    from vidnas.families.ensemble.network import EnsembleNetwork


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

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips of all members, each once."""
        specs = (spec for member in self.members for spec in member.architecture.inputs)
        return tuple(dict.fromkeys(specs))

    @property
    def size(self) -> int:
        """Number of votes: that of the members, each as often as it counts."""
        return sum(member.weight for member in self.members)

    def build(self, num_classes: int) -> EnsembleNetwork:
        """Build the members with fresh weights, drawn from torch's current generator."""
        from vidnas.families.ensemble.network import EnsembleNetwork

        return EnsembleNetwork(self, num_classes)

    def canonical(self) -> Ensemble:
        """Canonical members, whose weights have no common divisor."""
        divisor = math.gcd(*(member.weight for member in self.members))
        members = tuple(
            Member(architecture=m.architecture.canonical(), weight=m.weight // divisor)
            for m in self.members
        )
        return Ensemble(members=members)

    def diagram(self) -> Diagram:
        """The clips, the members in parallel, the mean of their logits."""
        clips = {spec: f"clip {number}" for number, spec in enumerate(self.inputs, 1)}
        boxes = [
            Box(
                name=name,
                column=0,
                kind="input",
                label=f"{spec.modality} clip",
                detail=f"{spec.frames} frames, {spec.size_px} px, stride {spec.frame_stride}",
            )
            for spec, name in clips.items()
        ]
        edges = []
        for number, member in enumerate(self.members, 1):
            name = f"member {number}"
            modalities = dict.fromkeys(spec.modality for spec in member.architecture.inputs)
            boxes.append(
                Box(
                    name=name,
                    column=1,
                    kind=f"{' and '.join(modalities)} network",
                    label=member.architecture.diagram().title,
                    detail=f"counts {member.weight} of {self.size}",
                )
            )
            edges += [Edge(source=clips[s], target=name) for s in member.architecture.inputs]
            edges.append(Edge(source=name, target="mean"))
        boxes.append(Box(name="mean", column=2, kind="classifier", label="mean of logits"))
        return Diagram(
            title=f"Ensemble of {self.size}",
            columns=("inputs", "members", "vote"),
            boxes=tuple(boxes),
            edges=tuple(edges),
        )
