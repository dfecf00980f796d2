"""R(2+1)D as boxes and arrows."""

from __future__ import annotations

from itertools import pairwise

from vidnas.core import Box, Diagram, Edge
from vidnas.families.baselines.architecture import R2Plus1D


def draw(architecture: R2Plus1D) -> Diagram:
    """Draw a chain: stem, four stages, classifier."""
    chain = [
        ("clip", "input", "clip", str(architecture.inputs[0])),
        ("stem", "(2+1)D conv", "1x7x7, 3x1x1", f"{architecture.stem_channels[1]} channels"),
        *(
            (f"stage {number}", "(2+1)D residual", f"{blocks} blocks", f"{width} channels")
            for number, (blocks, width) in enumerate(architecture.stages, start=1)
        ),
        ("classes", "classifier", "mean, dense", ""),
    ]
    boxes = tuple(
        Box(name=name, column=column, kind=kind, label=label, detail=detail)
        for column, (name, kind, label, detail) in enumerate(chain)
    )
    return Diagram(
        title=f"R(2+1)D-{architecture.depth}",
        columns=tuple(box.name for box in boxes),
        boxes=boxes,
        edges=tuple(
            Edge(source=before.name, target=after.name) for before, after in pairwise(boxes)
        ),
    )
