"""Mutations of multi-stream Tiny Video Networks: each changes one thing and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from vidnas.families.mutating import Change, pick
from vidnas.families.tinystreams.architecture import TinyStreams
from vidnas.families.tinystreams.bounds import Bounds
from vidnas.families.tinystreams.graph import Edge, Graph
from vidnas.families.tinystreams.sampling import random_stream, some
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.mutation import CLIP_GENES, change_block, change_clip
from vidnas.families.tinyvideonet.sampling import random_block

Weights = Mapping[str, float]
"""Learned weights of the parent's connections, as far as there are any."""
Mutation = Callable[[TinyStreams, np.random.Generator, Bounds, Weights], Change | None]
"""None where there is nothing to change."""


def _stream_gene(
    gene: str, label: str, parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph = Graph(parent)
    name = pick(rng, list(graph.streams))
    change = change_clip(gene, label, graph.streams[name], rng, bounds)
    if change is None:
        return None
    genes, phrase = change
    graph.streams[name] = graph.streams[name].model_copy(update=genes)
    return graph.genes(), f"stream {name}: {phrase}"


def _modality(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph = Graph(parent)
    name = pick(rng, list(graph.streams))
    old = graph.streams[name].modality
    others = [modality for modality in bounds.modalities if modality != old]
    if not others:
        return None
    new = pick(rng, others)
    graph.streams[name] = graph.streams[name].model_copy(update={"modality": new})
    return graph.genes(), f"stream {name}: modality {old} -> {new}"


def _add_stream(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph, name = Graph(parent), _new_name("s", rng)
    stream = random_stream(rng, bounds, pick(rng, bounds.modalities), name)
    graph.streams[name] = stream
    for target in some(rng, bounds, list(graph.blocks)):
        graph.sources[target].add(name)
    clip = f"{stream.modality}, {stream.frames} x {stream.image_size}²"
    return graph.genes(), f"stream {name}: added ({clip})"


def _remove_stream(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    if len(parent.streams) == 1:
        return None
    graph = Graph(parent)
    name = pick(rng, list(graph.streams))
    del graph.streams[name]
    for sources in graph.sources.values():
        sources.discard(name)
        if not sources:
            sources.add(pick(rng, list(graph.streams)))
    return graph.genes(), f"stream {name}: removed"


def _add_node(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph, name = Graph(parent), _new_name("n", rng)
    nodes = list(graph.blocks.items())
    place = int(rng.integers(len(nodes) + 1))
    before, after = nodes[:place], nodes[place:]
    sources = some(rng, bounds, [*graph.streams, *dict(before)])
    for target in some(rng, bounds, list(dict(after))) if after else ():
        graph.sources[target].add(name)
    depths = dict(zip(parent.node_names, parent.depths, strict=True))
    block = random_block(rng, bounds, max(depths[source] for source in sources))
    graph.blocks = dict([*before, (name, block), *after])
    graph.sources[name] = sources
    return graph.genes(), f"node {name}: added ({block.spatial_type}, {block.width} wide)"


def _remove_node(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    """What the node led to takes its inputs over."""
    if len(parent.nodes) == 1:
        return None
    graph = Graph(parent)
    name = pick(rng, list(graph.blocks))
    del graph.blocks[name]
    inherited = graph.sources.pop(name)
    for sources in graph.sources.values():
        if name in sources:
            sources.remove(name)
            sources.update(inherited)
    return graph.genes(), f"node {name}: removed"


def _add_edge(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph = Graph(parent)
    missing = graph.missing_edges()
    if not missing:
        return None
    edge = pick(rng, missing)
    graph.sources[edge[1]].add(edge[0])
    return graph.genes(), f"edge {_say(edge)}: added"


def _remove_edge(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph = Graph(parent)
    spare = graph.spare_edges()
    if not spare:
        return None
    edge = pick(rng, spare)
    graph.sources[edge[1]].remove(edge[0])
    return graph.genes(), f"edge {_say(edge)}: removed"


def _replace_edge(
    parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, weights: Weights
) -> Change | None:
    """The weakest edge gives way to another one; any edge does where no weights were learned."""
    graph = Graph(parent)
    spare, missing = graph.spare_edges(), graph.missing_edges()
    if weights:
        weak = [e for e in spare if weights.get(_say(e), 1.0) <= bounds.edge_threshold]
        spare = [min(weak, key=lambda edge: weights[_say(edge)])] if weak else []
    if not spare or not missing:
        return None
    old, new = pick(rng, spare), pick(rng, missing)
    graph.sources[old[1]].remove(old[0])
    graph.sources[new[1]].add(new[0])
    return graph.genes(), f"edge {_say(old)}: replaced by {_say(new)}"


def _block_gene(
    gene: str, parent: TinyStreams, rng: np.random.Generator, bounds: Bounds, _: Weights
) -> Change | None:
    graph = Graph(parent)
    name = pick(rng, list(graph.blocks))
    change = change_block(gene, graph.blocks[name], rng, bounds)
    if change is None:
        return None
    graph.blocks[name], phrase = change
    return graph.genes(), f"node {name}: {phrase}"


MUTATIONS: dict[str, dict[str, Mutation]] = {
    "connections": {
        "add_edge": _add_edge,
        "remove_edge": _remove_edge,
        "replace_edge": _replace_edge,
    },
    "streams and nodes": {
        **{gene: partial(_stream_gene, gene, label) for gene, label in CLIP_GENES.items()},
        "modality": _modality,
        "add_stream": _add_stream,
        "remove_stream": _remove_stream,
        "add_node": _add_node,
        "remove_node": _remove_node,
    },
    "blocks": {gene: partial(_block_gene, gene) for gene in Block.model_fields},
}
"""One mutation a gene kind. Each group is equally likely, so that connections change as often as
the many genes of blocks do together."""


def _new_name(letter: str, rng: np.random.Generator) -> str:
    """A name that hardly any other stream or node of the lineage has had."""
    return f"{letter}{rng.integers(100, 1000)}"


def _say(edge: Edge) -> str:
    return f"{edge[0]}->{edge[1]}"
