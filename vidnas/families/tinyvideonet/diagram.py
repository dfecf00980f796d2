"""Tiny Video Networks as boxes and arrows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from vidnas.core import Box, Diagram, Edge, tensor_size
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.unit import Extent, Operation, Unit

_KINDS = {
    "conv": "conv",
    "depthwise": "depthwise conv",
    "maxpool": "max-pool",
    "avgpool": "avg-pool",
}
_CONVOLUTIONS = ("conv", "depthwise")


def draw(architecture: TinyVideoNet) -> Diagram:
    """Draw one column per block, with the layers of its first repeat, and the head."""
    columns, clip = ["input"], str(architecture.inputs[0])
    size = size_of(architecture.entry)
    boxes = [Box(name="clip", column=0, kind="input", label="clip", detail=clip, size=size)]
    extent = architecture.entry
    for index, block in enumerate(architecture.blocks):
        units = [unit for unit in architecture.units if unit.name.startswith(f"Block-{index}-")]
        columns.append(f"block {index + 1}, {block.repeats}x")
        layers = block_layers(units)
        for number, (kind, label, detail, exit_) in enumerate(layers, 1):
            changed = size_of(exit_) if exit_ != extent or number == len(layers) else ""
            boxes.append(
                Box(
                    name=f"{index + 1}.{len(boxes)}",
                    column=index + 1,
                    kind=kind,
                    label=label,
                    detail=detail,
                    size=changed,
                )
            )
            extent = exit_
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


def block_layers(units: list[Unit]) -> list[tuple[str, str, str, Extent]]:
    """Kind, label, detail and exit of each layer of a block, as in its first repeat.

    The exit of the last one is that of the last repeat.
    """
    unit, last = units[0], units[-1]
    at = unit.entry
    layers: list[tuple[str, str, str, Extent]] = []

    def add(kind: str, label: str, detail: str, **changed: int) -> None:
        nonlocal at
        at = replace(at, **changed)
        layers.append((kind, label, detail, at))

    if unit.widen:
        add("1x1 conv", "widen", f"to {unit.widen}", channels=unit.widen)
    if unit.spatial:
        kind, label, detail = _operation("2D", unit.spatial, unit.inner)
        add(kind, label, detail, size_px=unit.exit.size_px, **_width(unit.spatial, unit))
    if unit.temporal:
        kind, label, detail = _operation("1D", unit.temporal, unit.inner)
        odd = ", every second repeat" if len(units) > 1 else ""
        add(kind, label, detail + odd, frames=unit.exit.frames, **_width(unit.temporal, unit))
    if unit.expand:
        add("1x1 conv", "expand", f"to {unit.expand}", channels=unit.expand)
    if unit.hidden:
        add("squeeze-excite", "squeeze-excite", f"{unit.width} - {unit.hidden}")
    if unit.context_gate:
        add("context gate", "context gate", "")
    if unit.narrow:
        add("1x1 conv", "project", f"to {unit.narrow}", channels=unit.narrow)
    kinds = sorted({repeat.skip for repeat in units} - {"none"})
    if kinds:
        add("skip", "skip", " and ".join(kinds))
    if last.non_local:
        add("non-local", "non-local", f"{last.non_local} wide, after the last repeat")
    return [*layers[:-1], (*layers[-1][:3], last.exit)] if layers else []


def _width(op: Operation, unit: Unit) -> dict[str, int]:
    """What an operation makes of the channels; pooling leaves them."""
    return {"channels": unit.inner} if op.kind in _CONVOLUTIONS else {}


def _operation(axis: str, op: Operation, channels: int) -> tuple[str, str, str]:
    kind = f"{axis} {_KINDS[op.kind]}"
    width = f"{channels}, " if op.kind in _CONVOLUTIONS else ""
    act = f", {op.act}" if op.act != "relu" else ""
    return kind, kind, f"{width}kernel {op.kernel}, stride {op.stride}{act}"


def size_of(extent: Extent) -> str:
    """The size of such features as diagrams say it."""
    return tensor_size(extent.channels, extent.frames, extent.size_px)
