"""R(2+1)D as boxes and arrows."""

from __future__ import annotations

from itertools import pairwise

from vidnas.core import Box, Diagram, Edge, tensor_size
from vidnas.families.baselines.architecture import R2Plus1D


def draw(architecture: R2Plus1D) -> Diagram:
    """Draw a chain: stem, four stages, classifier."""
    clip, stem = architecture.inputs[0], architecture.stem_channels[1]
    frames, size_px = clip.frames, -(-clip.size_px // 2)
    chain = [
        ("clip", "input", "clip", str(clip), tensor_size(clip.channels, frames, clip.size_px)),
        ("stem", "(2+1)D conv", "1x7x7, 3x1x1", "", tensor_size(stem, frames, size_px)),
    ]
    for number, (blocks, width) in enumerate(architecture.stages, start=1):
        if number > 1:
            frames, size_px = -(-frames // 2), -(-size_px // 2)
        size = tensor_size(width, frames, size_px)
        chain.append((f"stage {number}", "(2+1)D residual", f"{blocks} blocks", "", size))
    chain.append(("classes", "classifier", "mean, dense", "", ""))
    boxes = tuple(
        Box(name=name, column=column, kind=kind, label=label, detail=detail, size=size)
        for column, (name, kind, label, detail, size) in enumerate(chain)
    )
    return Diagram(
        title=f"R(2+1)D-{architecture.depth}",
        columns=tuple(box.name for box in boxes),
        boxes=boxes,
        edges=tuple(
            Edge(source=before.name, target=after.name) for before, after in pairwise(boxes)
        ),
    )
