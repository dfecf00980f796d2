"""AssembleNets as boxes and arrows: the clips, the streams, the levels of blocks, the head."""

from __future__ import annotations

from collections.abc import Iterator

from vidnas.core import Box, ClipSpec, Diagram, Edge, Modality, tensor_size
from vidnas.core.text import counted
from vidnas.families.assemblenet.architecture import AssembleNet, Block, StemKind

_CLIPS: dict[Modality, str] = {"rgb": "RGB clip", "flow": "flow clip", "objects": "object maps"}
_SEEN: dict[StemKind, str] = {
    "rgb": "RGB",
    "flow": "flow",
    "precomputed_flow": "flow",
    "objects": "objects",
}
_HEAD = "classifier"
_NOTES = {
    "none": "",
    "peer": "Peer attention: all nodes of lower levels scale the channels of a block's inputs.",
    "self": "Self attention: each input of a block scales its own channels.",
}


def draw(architecture: AssembleNet) -> Diagram:
    """Draw one column per level; edges have the weights that the architecture fixes, or one."""
    levels = sorted({block.level for block in architecture.blocks})
    modules = [architecture.repeats[level] for level in levels]
    titles = [
        f"level {level + 1}\n{counted(count, 'module')}"
        for level, count in zip(levels, modules, strict=True)
    ]
    head = Box(
        name=_HEAD,
        column=2 + len(levels),
        upright=True,
        kind="classifier",
        label="softmax-weighted frames, classifier"
        if architecture.max_pool_predictions
        else "mean over clip, classifier",
    )
    return Diagram(
        title="AssembleNet",
        columns=("", "streams", *titles, ""),
        boxes=(*map(_clip_box, architecture.inputs), *_node_boxes(architecture, levels), head),
        edges=tuple(_edges(architecture)),
        note=_NOTES[architecture.attention],
        weights_note="By default, guided mutation redraws the weakest tenth of the edges, of those "
        "that are not above 0.5.",
    )


def _clip_box(clip: ClipSpec) -> Box:
    name = _CLIPS[clip.modality]
    size = tensor_size(clip.channels, clip.frames, clip.size_px)
    return Box(name=name, column=0, kind="input", label=name, detail=str(clip), size=size)


def _node_boxes(architecture: AssembleNet, levels: list[int]) -> Iterator[Box]:
    seen, sizes_px = _seen(architecture), architecture.sizes_px
    for node, name in enumerate(architecture.node_names):
        if node in architecture.live:
            kind = seen[node]
        else:
            kind = "reaches no head" if node in architecture.built else "pruned"
        size = tensor_size(architecture.channels(node), architecture.frames, sizes_px[node])
        if node < len(architecture.stems):
            stem = architecture.stems[node]
            stream = "precomputed flow" if stem.kind == "precomputed_flow" else seen[node]
            detail = "" if stem.kind == "objects" else f"dilation {stem.dilation}"
            yield Box(
                name=name,
                column=1,
                unused=node not in architecture.live,
                kind=kind,
                label=f"{name}: {stream}",
                detail=detail,
                size=size,
            )
        else:
            block = architecture.block(node)
            yield Box(
                name=name,
                column=2 + levels.index(block.level),
                unused=node not in architecture.live,
                kind=kind,
                label=name if block.name else f"block {name}",
                detail=f"{_filters(architecture, block)}, dilation {block.dilation}\n"
                f"sees {seen[node]}",
                size=size,
            )


def _seen(architecture: AssembleNet) -> list[str]:
    """The kinds of streams that reach each node."""
    seen = [{_SEEN[stem.kind]} for stem in architecture.stems]
    for block in architecture.blocks:
        seen.append(set().union(*(seen[node] for node in block.inputs)))
    # In the order of the table, not of the node's inputs.
    return [" + ".join(name for name in dict.fromkeys(_SEEN.values()) if name in s) for s in seen]


def _filters(architecture: AssembleNet, block: Block) -> str:
    if isinstance(block.filters, tuple):
        return "-".join(str(architecture.scaled(filters)) for filters in block.filters)
    return f"{architecture.scaled(block.filters)} filters"


def _edges(architecture: AssembleNet) -> Iterator[Edge]:
    names = architecture.node_names
    for node, stem in enumerate(architecture.stems):
        if node in architecture.built:
            yield Edge(source=_CLIPS[stem.modality], target=names[node])
    for node, block in enumerate(architecture.blocks, len(architecture.stems)):
        # What flows into a block that is not built has no weight in the result.
        alike = (1.0 if node in architecture.built else 0.0,) * len(block.inputs)
        weights = (block.edge_weights if node in architecture.built else None) or alike
        for source, weight in zip(block.inputs, weights, strict=True):
            yield Edge(source=names[source], target=names[node], weight=weight)
    for node in architecture.heads:
        yield Edge(source=names[node], target=_HEAD)
