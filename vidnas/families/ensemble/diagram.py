"""Ensembles as boxes and arrows."""

from __future__ import annotations

from vidnas.core import Box, Diagram, Edge
from vidnas.families.ensemble.architecture import Ensemble
from vidnas.families.registry import diagram_of


def draw(architecture: Ensemble) -> Diagram:
    """Draw the clips, the members in parallel, and the mean of their logits."""
    clips = {spec: f"clip {number}" for number, spec in enumerate(architecture.inputs, 1)}
    boxes = [
        Box(
            name=name,
            column=0,
            kind="input",
            label="clip",
            detail=str(spec),
        )
        for spec, name in clips.items()
    ]
    edges = []
    for number, member in enumerate(architecture.members, 1):
        name = f"member {number}"
        modalities = dict.fromkeys(spec.modality for spec in member.architecture.inputs)
        boxes.append(
            Box(
                name=name,
                column=1,
                kind=f"{' and '.join(modalities)} network",
                label=diagram_of(member.architecture).title,
                detail=f"counts {member.weight} of {architecture.size}",
            )
        )
        edges += [Edge(source=clips[s], target=name) for s in member.architecture.inputs]
        edges.append(Edge(source=name, target="mean"))
    boxes.append(Box(name="mean", column=2, kind="classifier", label="mean of logits"))
    return Diagram(
        title=f"Ensemble of {architecture.size}",
        columns=("inputs", "members", "vote"),
        boxes=tuple(boxes),
        edges=tuple(edges),
    )
