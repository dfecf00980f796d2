"""The multi-stream Tiny Video Networks that a search may visit, and their mutations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

from vidnas.core import Evaluation, Modality
from vidnas.core.clip import SAMPLINGS, Sampling
from vidnas.families.bounded import BoundedSpace
from vidnas.families.clips import CLIP_GENES, change_clip, video_modalities
from vidnas.families.genes import Change, pick, redraw
from vidnas.families.graph import Edge, Graph, edge_name
from vidnas.families.tinystreams.architecture import Parts, TinyStreams
from vidnas.families.tinystreams.bounds import StreamsBounds, random_network, random_stream, some
from vidnas.families.tinystreams.designs import DESIGNS
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.space import (
    FRAMES,
    GENES,
    REACH,
    change_block,
    narrower,
    random_block,
)


class TinyStreamsSpace(BoundedSpace[TinyStreams, StreamsBounds]):
    """Multi-stream Tiny Video Networks within bounds."""

    architecture = TinyStreams
    drawn = DESIGNS

    def draw(self, rng: np.random.Generator) -> TinyStreams:
        """Draw streams and nodes; the network may lie outside the bounds."""
        return random_network(rng, self.bounds)

    def change(
        self, parent: TinyStreams, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Change a connection, a stream, a node or a gene of a block.

        Where the evaluation has learned weights, the weakest connection is the one replaced.
        """
        group = pick(rng, tuple(MUTATIONS.values()))
        weights = evaluation.connection_weights if evaluation else {}
        return pick(rng, tuple(group.values()))(parent, rng, self.bounds, weights)

    def fitting(self, drawn: TinyStreams) -> dict[str, Any]:
        """The nearest clips, a stream of each modality as far as there are streams, and what is the
        same in every network."""
        bounds = self.bounds
        streams = tuple(
            stream.model_copy(update={**bounds.nearest_clip(stream), "modality": modality})
            for stream, modality in zip(drawn.streams, cycle(bounds.modalities), strict=False)
        )
        return {"streams": streams, "dropout": bounds.dropout}

    def shrinking(self, design: TinyStreams) -> dict[str, Any]:
        """Smaller clips, and narrower blocks."""
        bounds = self.bounds
        streams = tuple(
            stream.model_copy(update=bounds.smaller_clip(stream)) for stream in design.streams
        )
        nodes = tuple(
            node.model_copy(update={"block": narrower(node.block, bounds)}) for node in design.nodes
        )
        return {"streams": streams, "nodes": nodes}

    def trimmed(self, architecture: TinyStreams) -> TinyStreams:
        """The network with no kernel over time longer than its frames let it see."""
        return _with_blocks(
            architecture,
            [
                self.bounds.trimmed(node.block, entry.frames)
                for node, entry in zip(architecture.nodes, architecture.entries, strict=True)
            ],
        )

    def stripped(self, architecture: TinyStreams) -> TinyStreams:
        """The network with no kernel longer than what it sees."""
        return _with_blocks(
            architecture,
            [
                self.bounds.stripped(node.block, entry)
                for node, entry in zip(architecture.nodes, architecture.entries, strict=True)
            ],
        )


def space(
    *,
    max_size_px: int = 128,
    max_frames: int = 32,
    modalities: tuple[Modality, ...] = ("rgb",),
    sampling: tuple[Sampling, ...] = SAMPLINGS,
) -> TinyStreamsSpace:
    """The default space for clips of up to this size and length, of RGB, of optical flow, or both.

    Raises:
        UserError: the clips are too small, have no frames, or are object maps.
    """
    found = video_modalities(modalities)
    return TinyStreamsSpace(
        StreamsBounds.for_videos(
            max_size_px, max_frames, FRAMES, modalities=found, sampling=sampling
        )
    )


Weights = Mapping[str, float]
"""Learned weights of the parent's connections, as far as there are any."""
Mutation = Callable[[TinyStreams, np.random.Generator, StreamsBounds, Weights], Change | None]
"""Returns None where there is nothing to change."""


def _stream_gene(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights, *, gene: str
) -> Change | None:
    parts = Parts(parent)
    name = pick(rng, list(parts.streams))
    if gene == "modality":
        change = redraw(parts.streams[name], gene, bounds.modalities, rng, label=gene)
    else:
        change = change_clip(gene, parts.streams[name], rng, bounds, reach=REACH)
    if change is None:
        return None
    genes, phrase = change
    parts.streams[name] = parts.streams[name].model_copy(update=genes)
    return parts.genes(parent.graph), f"stream {name}: {phrase}"


def _add_stream(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights
) -> Change | None:
    graph, parts, name = parent.graph, Parts(parent), _new_name("s", rng)
    stream = random_stream(rng, bounds, pick(rng, bounds.modalities), name)
    parts.streams[name] = stream
    graph.entries.append(name)
    for target in some(rng, bounds, list(graph.sources)):
        graph.sources[target].add(name)
    return parts.genes(graph), f"stream {name}: added ({stream.spec})"


def _remove_stream(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights
) -> Change | None:
    if len(parent.streams) == 1:
        return None
    graph = parent.graph
    name = pick(rng, graph.entries)
    graph.entries.remove(name)
    for sources in graph.sources.values():
        sources.discard(name)
        if not sources:
            sources.add(pick(rng, graph.entries))
    return Parts(parent).genes(graph), f"stream {name}: removed"


def _add_node(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights
) -> Change | None:
    graph, parts, name = parent.graph, Parts(parent), _new_name("n", rng)
    nodes = list(graph.sources)
    place = int(rng.integers(len(nodes) + 1))
    before, after = nodes[:place], nodes[place:]
    sources = some(rng, bounds, [*graph.entries, *before])
    for target in some(rng, bounds, after) if after else ():
        graph.sources[target].add(name)
    depths = dict(zip(parent.node_names, parent.depths, strict=True))
    block = random_block(rng, bounds, max(depths[source] for source in sources))
    parts.blocks[name] = block
    graph.add(name, sources, place)
    return parts.genes(graph), f"node {name}: added ({block.spatial_type}, {block.width} wide)"


def _remove_node(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights
) -> Change | None:
    """Remove a node; what took it takes its inputs."""
    if len(parent.nodes) == 1:
        return None
    graph = parent.graph
    name = pick(rng, list(graph.sources))
    graph.remove(name, heirs=graph.sources[name])
    return Parts(parent).genes(graph), f"node {name}: removed"


def _add_edge(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights
) -> Change | None:
    graph = parent.graph
    missing = _missing(graph)
    if not missing:
        return None
    source, target = pick(rng, missing)
    graph.sources[target].add(source)
    return Parts(parent).genes(graph), f"edge {edge_name(source, target)}: added"


def _remove_edge(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights
) -> Change | None:
    graph = parent.graph
    spare = _spare(graph)
    if not spare:
        return None
    source, target = pick(rng, spare)
    graph.sources[target].remove(source)
    return Parts(parent).genes(graph), f"edge {edge_name(source, target)}: removed"


def _replace_edge(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, weights: Weights
) -> Change | None:
    """Replace the weakest edge by another one; any edge where no weights were learned."""
    graph = parent.graph
    spare, missing = _spare(graph), _missing(graph)
    if weights:
        weak = [e for e in spare if weights.get(edge_name(*e), 1.0) <= bounds.edge_threshold]
        spare = [min(weak, key=lambda edge: weights[edge_name(*edge)])] if weak else []
    if not spare or not missing:
        return None
    old, new = pick(rng, spare), pick(rng, missing)
    graph.sources[old[1]].remove(old[0])
    graph.sources[new[1]].add(new[0])
    return Parts(parent).genes(graph), f"edge {edge_name(*old)}: replaced by {edge_name(*new)}"


def _block_gene(
    parent: TinyStreams, rng: np.random.Generator, bounds: StreamsBounds, _: Weights, *, gene: str
) -> Change | None:
    parts = Parts(parent)
    name = pick(rng, list(parts.blocks))
    block, entry = parts.blocks[name], dict(zip(parts.blocks, parent.entries, strict=True))[name]
    change = change_block(gene, block, rng, bounds.for_block(block, entry))
    if change is None:
        return None
    parts.blocks[name], phrase = change
    return parts.genes(parent.graph), f"node {name}: {phrase}"


MUTATIONS: dict[str, dict[str, Mutation]] = {
    "connections": {
        "add_edge": _add_edge,
        "remove_edge": _remove_edge,
        "replace_edge": _replace_edge,
    },
    "streams and nodes": {
        **{gene: partial(_stream_gene, gene=gene) for gene in (*CLIP_GENES, "modality")},
        "add_stream": _add_stream,
        "remove_stream": _remove_stream,
        "add_node": _add_node,
        "remove_node": _remove_node,
    },
    "blocks": {gene: partial(_block_gene, gene=gene) for gene in GENES},
}
"""One mutation per gene kind. Each group is equally likely, so that connections change as often as
the many genes of blocks do together."""


def _with_blocks(network: TinyStreams, blocks: Iterable[Block]) -> TinyStreams:
    nodes = [
        node.model_copy(update={"block": block})
        for node, block in zip(network.nodes, blocks, strict=True)
    ]
    return network.model_copy(update={"nodes": tuple(nodes)})


def _new_name(letter: str, rng: np.random.Generator) -> str:
    """A name that hardly any other stream or node of the lineage has had."""
    return f"{letter}{rng.integers(100, 1000)}"


def _spare(graph: Graph) -> list[Edge]:
    """Edges into nodes that have others."""
    return [edge for edge in graph.edges.values() if len(graph.sources[edge[1]]) > 1]


def _missing(graph: Graph) -> list[Edge]:
    """Edges that could be there."""
    order = graph.order
    return [
        (source, target)
        for target, sources in graph.sources.items()
        for source in order[: order.index(target)]
        if source not in sources
    ]
