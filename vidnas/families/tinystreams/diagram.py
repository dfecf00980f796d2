"""Multi-stream Tiny Video Networks as boxes and arrows."""

from __future__ import annotations

from vidnas.core import Box, Diagram, Edge, tensor_size
from vidnas.families.tinystreams.architecture import HEAD, Stream, TinyStreams
from vidnas.families.tinyvideonet.diagram import block_layers, size_of

_PRUNED = "pruned"


def draw(architecture: TinyStreams) -> Diagram:
    """Draw streams on the left, nodes by depth; a node's box has the layers of its block."""
    names, live, depths = architecture.node_names, architecture.live, architecture.depths
    first = len(architecture.streams)
    boxes = [
        _stream_box(stream, names[index], unused=names[index] not in live)
        for index, stream in enumerate(architecture.streams)
    ]
    edges = []
    for index, (node, units) in enumerate(
        zip(architecture.nodes, architecture.units, strict=True), first
    ):
        layers = ", ".join(label for _, label, *_ in block_layers(list(units)))
        boxes.append(
            Box(
                name=names[index],
                column=depths[index],
                unused=names[index] not in live,
                kind="block" if names[index] in live else _PRUNED,
                label=f"{names[index]}, {node.block.repeats}x",
                detail=layers,
                size=size_of(units[-1].exit),
            )
        )
        # What flows into a node that is not built has no weight in the result.
        weight = 1.0 if names[index] in live else 0.0
        edges += [Edge(source=names[i], target=names[index], weight=weight) for i in node.inputs]
    edges.append(Edge(source=names[-1], target=HEAD))
    last = max(depths) + 1
    pool = "max-pooled logits" if architecture.max_pool_predictions else "mean over clip"
    boxes.append(
        Box(
            name=HEAD,
            column=last,
            kind="classifier",
            label="classifier",
            detail=f"{pool}, dropout {architecture.dropout:g}",
        )
    )
    return Diagram(
        title="Multi-stream Tiny Video Network",
        columns=("streams", *(f"depth {depth}" for depth in range(1, last)), "head"),
        boxes=tuple(boxes),
        edges=tuple(edges),
        weights_note="By default, guided mutation replaces the weakest edge at or below 0.5.",
    )


def _stream_box(stream: Stream, name: str, *, unused: bool) -> Box:
    spec = stream.spec
    return Box(
        name=name,
        column=0,
        unused=unused,
        kind=_PRUNED if unused else "input",
        label=name,
        detail=str(spec),
        size=tensor_size(spec.channels, spec.frames, spec.size_px),
    )
