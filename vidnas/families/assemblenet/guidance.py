"""Connection-guided mutation: edges that training made strong stay, others are drawn anew.

Ryoo, Piergiovanni, Tan, Angelova: AssembleNet, ICLR 2020, arXiv 1905.13209. The same exchange
with random weights is evolution without guidance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidnas.families.assemblenet.architecture import AssembleNet
from vidnas.families.genes import Change, pick
from vidnas.families.graph import edge_name

_MOST_NAMED = 4


def exchange_edges(
    parent: AssembleNet, rng: np.random.Generator, weights: Mapping[str, float], threshold: float
) -> Change | None:
    """Keep the edges of weights above the threshold; draw as many new ones as go, on average.

    An edge without a weight, such as one into a block that was not built, goes; a block that is
    left without inputs takes one at random. None if nothing changes.
    """
    graph, sources = parent.graph, _admissible_sources(parent)
    present = graph.edges
    kept = {edge for edge in present if weights.get(edge, 0.0) > threshold}
    missing = sum(map(len, sources.values())) - len(present)
    ratio = (len(present) - len(kept)) / max(missing, 1)

    def stays(edge: str) -> bool:
        return edge in kept if edge in present else rng.random() < ratio

    for target, candidates in sources.items():
        staying = {source for source in candidates if stays(edge_name(source, target))}
        graph.sources[target] = staying or {pick(rng, candidates)}
    removed = [edge for edge in present if edge not in graph.edges]
    added = [edge for edge in graph.edges if edge not in present]
    if not removed and not added:
        return None
    return {"blocks": parent.connected(graph, {})}, _describe(removed, added)


def random_weights(parent: AssembleNet, rng: np.random.Generator) -> dict[str, float]:
    """Connection weights that say nothing: U(0, 1) wherever training would have learned one."""
    graph, names = parent.graph, parent.node_names
    built = {names[node] for node in parent.built}
    return {
        edge: rng.random() if len(graph.sources[target]) > 1 else 1.0
        for edge, (_, target) in graph.edges.items()
        if target in built
    }


def _admissible_sources(architecture: AssembleNet) -> dict[str, list[str]]:
    """All nodes of lower levels than each block's."""
    level = {name: architecture.level(node) for node, name in enumerate(architecture.node_names)}
    return {
        target: [source for source in level if level[source] < level[target]]
        for target in architecture.graph.sources
    }


def _describe(removed: list[str], added: list[str]) -> str:
    named = ", ".join(added[:_MOST_NAMED])
    more = f" and {len(added) - _MOST_NAMED} more" if len(added) > _MOST_NAMED else ""
    return f"edges: {len(removed)} replaced by {named or 'none'}{more}"
