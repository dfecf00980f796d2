"""AssembleNets as boxes and arrows: the clips, the streams, four levels of blocks, the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidnas.core import Box, Diagram, Edge, Modality

if TYPE_CHECKING:
    from vidnas.families.assemblenet.architecture import AssembleNet

_MODALITIES: dict[Modality, str] = {"rgb": "RGB", "flow": "flow", "objects": "objects"}
_UNUSED = "reaches no head"
_HEAD = "classifier"


def draw(architecture: AssembleNet) -> Diagram:
    """One column a level; edges carry the weights that the architecture fixes, others are 1."""
    levels = sorted({block.level for block in architecture.blocks})
    columns = ["", "streams", *(_level_title(architecture, level) for level in levels), ""]
    seen = _seen(architecture)
    boxes = [_clip(spec) for spec in architecture.inputs]
    edges = []
    for node, name in enumerate(architecture.node_names):
        live = node in architecture.live
        kind = " + ".join(seen[node]) if live else _UNUSED
        if node < len(architecture.stems):
            stem = architecture.stems[node]
            what = stem.kind.replace("_", " ").replace("rgb", "RGB")
            label, detail, column = f"{name}: {what}", f"dilation {stem.dilation}", 1
            if node in architecture.built:
                edges.append(Edge(source=_clip_name(stem.modality), target=name))
        else:
            block = architecture.block(node)
            label, column = name if block.name else f"block {name}", 2 + levels.index(block.level)
            detail = (
                f"{_filters(architecture, block)}, dilation {block.dilation}, "
                f"sees {' + '.join(seen[node])}"
            )
            # What flows into a block that reaches no head has no weight in the result.
            weights = (block.edge_weights or (1.0,) * len(block.inputs)) if live else None
            for source, weight in zip(
                block.inputs, weights or (0.0,) * len(block.inputs), strict=True
            ):
                edges.append(
                    Edge(source=architecture.node_names[source], target=name, weight=weight)
                )
        boxes.append(Box(name=name, column=column, kind=kind, label=label, detail=detail))
    names = architecture.node_names
    edges += [Edge(source=names[node], target=_HEAD) for node in architecture.heads]
    boxes.append(
        Box(
            name=_HEAD,
            column=len(columns) - 1,
            upright=True,
            kind="classifier",
            label="mean over blocks and clip, classifier",
        )
    )
    return Diagram(
        title="AssembleNet", columns=tuple(columns), boxes=tuple(boxes), edges=tuple(edges)
    )


def _seen(architecture):
    seen = [{stem.modality} for stem in architecture.stems]
    for block in architecture.blocks:
        seen.append(set().union(*(seen[i] for i in block.inputs)))
    return [[name for m, name in _MODALITIES.items() if m in s] for s in seen]


def _clip_name(m):
    return f"{m} clip"


def _clip(spec):
    return Box(
        name=_clip_name(spec.modality),
        column=0,
        kind="input",
        label=f"{_MODALITIES[spec.modality]} clip",
        detail=f"{spec.frames} x {spec.size_px}²",
    )


def _level_title(architecture, level):
    return f"level {level + 1}\n{architecture.repeats[level]} modules"


def _filters(architecture, block):
    f = block.filters
    return (
        "-".join(str(architecture.scaled(x)) for x in f)
        if isinstance(f, tuple)
        else f"{architecture.scaled(f)} filters"
    )
