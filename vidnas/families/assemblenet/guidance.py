"""Connection-guided mutation: edges that training made strong stay, the weakest are drawn anew.

Ryoo, Piergiovanni, Tan, Angelova: AssembleNet, ICLR 2020, arXiv 1905.13209. The same exchange
with random weights is evolution without guidance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vidnas.families.assemblenet.architecture import AssembleNet
from vidnas.families.genes import Change, pick
from vidnas.families.graph import Edge, Graph

_EXCHANGED = 0.1
"""The share of edges that go. In the paper all weak ones do, about half, which leaves little of
what a child inherits."""
_MOST_NAMED = 4


def exchange_edges(
    parent: AssembleNet, rng: np.random.Generator, weights: Mapping[str, float], threshold: float
) -> Change | None:
    """Exchange the weakest tenth of the edges, of those of weights up to the threshold, for others.

    An edge without a weight, such as one into a block that was not built, is the weakest; a block
    that is left without inputs takes one at random. None if nothing changes.
    """
    graph, sources = parent.graph, _admissible_sources(parent)
    present, missing = graph.edges, _missing(graph, sources)
    strength = {edge: weights.get(edge, 0.0) for edge in present}
    weak = sorted(
        (edge for edge in present if strength[edge] <= threshold), key=strength.__getitem__
    )
    going = weak[: max(round(_EXCHANGED * len(present)), 1)]
    for source, target in (present[edge] for edge in going):
        graph.sources[target].remove(source)
    for index in rng.permutation(len(missing))[: len(going)]:
        source, target = missing[index]
        graph.sources[target].add(source)
    for target, taken in graph.sources.items():
        if not taken:
            taken.add(pick(rng, sources[target]))
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


def _missing(graph: Graph, sources: Mapping[str, Sequence[str]]) -> list[Edge]:
    """Admissible edges that are not there."""
    return [
        (source, target)
        for target, candidates in sources.items()
        for source in candidates
        if source not in graph.sources[target]
    ]


def _describe(removed: list[str], added: list[str]) -> str:
    named = ", ".join(added[:_MOST_NAMED])
    more = f" and {len(added) - _MOST_NAMED} more" if len(added) > _MOST_NAMED else ""
    return f"edges: {len(removed)} replaced by {named or 'none'}{more}"
