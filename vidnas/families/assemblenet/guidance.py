"""Connection-guided mutation: edges that training made strong stay, others are drawn anew.

Ryoo, Piergiovanni, Tan, Angelova: AssembleNet, ICLR 2020, arXiv 1905.13209. The same exchange
with random weights is evolution without guidance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidnas.families.assemblenet.architecture import AssembleNet
from vidnas.families.mutating import Change, pick

_MOST_NAMED = 4


def exchange_edges(
    parent: AssembleNet, rng: np.random.Generator, weights: Mapping[str, float], threshold: float
) -> Change | None:
    """Keep the edges of weights above the threshold; draw as many new ones as go, on average.

    An edge without a weight, such as one into a block that was not built, goes; a block that is
    left without inputs takes one at random. None if nothing changes.
    """
    names, present = parent.node_names, edges(parent)
    kept = {edge for edge in present if weights.get(edge, 0.0) > threshold}
    sources = _admissible_sources(parent)
    missing = sum(map(len, sources.values())) - len(present)
    ratio = (len(present) - len(kept)) / max(missing, 1)

    def stays(edge: str) -> bool:
        return edge in kept if edge in present else rng.random() < ratio

    blocks = []
    for target, candidates in sources.items():
        inputs = tuple(one for one in candidates if stays(f"{names[one]}->{names[target]}"))
        changed = {"inputs": inputs or (pick(rng, candidates),)}
        blocks.append(parent.block(target).model_copy(update=changed))
    genes = {"blocks": tuple(blocks)}
    child = edges(parent.model_copy(update=genes))
    removed = [edge for edge in present if edge not in child]
    added = [edge for edge in child if edge not in present]
    return (genes, _describe(removed, added)) if removed or added else None


def random_weights(parent: AssembleNet, rng: np.random.Generator) -> dict[str, float]:
    """Connection weights that say nothing: U(0, 1) wherever training would have learned one."""
    built = parent.built
    return {
        edge: rng.random() if len(parent.block(target).inputs) > 1 else 1.0
        for edge, target in edges(parent).items()
        if target in built
    }


def edges(architecture: AssembleNet) -> dict[str, int]:
    """Target of each edge, by the edge's name in `Evaluation.connection_weights`."""
    names, first = architecture.node_names, len(architecture.stems)
    return {
        f"{names[source]}->{names[target]}": target
        for target, block in enumerate(architecture.blocks, first)
        for source in block.inputs
    }


def _admissible_sources(architecture: AssembleNet) -> dict[int, list[int]]:
    """All nodes of lower levels than each block's."""
    nodes = range(len(architecture.node_names))
    level = [architecture.level(node) for node in nodes]
    return {
        target: [source for source in nodes if level[source] < level[target]]
        for target in nodes[len(architecture.stems) :]
    }


def _describe(removed: list[str], added: list[str]) -> str:
    named = ", ".join(added[:_MOST_NAMED])
    more = f" and {len(added) - _MOST_NAMED} more" if len(added) > _MOST_NAMED else ""
    return f"edges: {len(removed)} replaced by {named or 'none'}{more}"
