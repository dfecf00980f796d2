"""Tiny Video Networks as boxes and arrows."""

from __future__ import annotations

from itertools import pairwise

from vidnas.core import Box, Diagram, Edge
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.unit import Extent, Operation, Unit

_KINDS = {
    "conv": "conv",
    "depthwise": "depthwise conv",
    "maxpool": "max-pool",
    "avgpool": "avg-pool",
}


def draw(architecture: TinyVideoNet) -> Diagram:
    """Draw one column per block, with the layers of its first repeat, and the head."""
    columns = [f"input\n{extent_label(architecture.units[0].entry)}"]
    clip = str(architecture.inputs[0])
    boxes = [Box(name="clip", column=0, kind="input", label="clip", detail=clip)]
    for index, block in enumerate(architecture.blocks):
        units = [unit for unit in architecture.units if unit.name.startswith(f"Block-{index}-")]
        columns.append(f"block {index + 1}, {block.repeats}x\n{extent_label(units[-1].exit)}")
        for kind, label, detail in block_layers(units):
            name = f"{index + 1}.{len(boxes)}"
            boxes.append(Box(name=name, column=index + 1, kind=kind, label=label, detail=detail))
    columns.append("head")
    pool = "max-pooled logits" if architecture.max_pool_predictions else "mean over clip"
    head = Box(
        name="head",
        column=len(columns) - 1,
        kind="classifier",
        label="classifier",
        detail=f"{pool}, dropout {architecture.dropout:g}",
    )
    boxes.append(head)
    edges = [Edge(source=source.name, target=target.name) for source, target in pairwise(boxes)]
    return Diagram(
        title="Tiny Video Network", columns=tuple(columns), boxes=tuple(boxes), edges=tuple(edges)
    )


def block_layers(units: list[Unit]) -> list[tuple[str, str, str]]:
    """Kind, label and detail of each layer of a block, as in its first repeat."""
    unit, last = units[0], units[-1]
    layers = []
    if unit.widen:
        layers.append(("1x1 conv", "widen", f"to {unit.widen}"))
    if unit.spatial:
        layers.append(_operation("2D", unit.spatial, unit.inner))
    if unit.temporal:
        kind, label, detail = _operation("1D", unit.temporal, unit.inner)
        odd = ", every second repeat" if len(units) > 1 else ""
        layers.append((kind, label, detail + odd))
    if unit.expand:
        layers.append(("1x1 conv", "expand", f"to {unit.expand}"))
    if unit.hidden:
        layers.append(("squeeze-excite", "squeeze-excite", f"{unit.width} - {unit.hidden}"))
    if unit.context_gate:
        layers.append(("context gate", "context gate", ""))
    if unit.narrow:
        layers.append(("1x1 conv", "project", f"to {unit.narrow}"))
    kinds = sorted({repeat.skip for repeat in units} - {"none"})
    if kinds:
        layers.append(("skip", "skip", " and ".join(kinds)))
    if last.non_local:
        layers.append(("non-local", "non-local", f"{last.non_local} wide, after the last repeat"))
    return layers


def _operation(axis: str, op: Operation, channels: int) -> tuple[str, str, str]:
    kind = f"{axis} {_KINDS[op.kind]}"
    width = f"{channels}, " if op.kind in ("conv", "depthwise") else ""
    act = f", {op.act}" if op.act != "relu" else ""
    return kind, kind, f"{width}kernel {op.kernel}, stride {op.stride}{act}"


def extent_label(extent: Extent) -> str:
    """Frames, size and channels."""
    return f"{extent.frames} x {extent.size_px}² x {extent.channels}"
