"""Random networks, overly connected: evolution finds which connections they can do without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidnas.families.mutating import pick
from vidnas.families.tinystreams.architecture import Node, Stream, StreamModality, TinyStreams
from vidnas.families.tinystreams.bounds import Bounds
from vidnas.families.tinyvideonet.sampling import chance, random_block


def random_network(rng: np.random.Generator, bounds: Bounds) -> TinyStreams:
    """Draw streams, among them one of each modality, and nodes; may lie outside the bounds."""
    count = pick(rng, [count for count in bounds.streams if count >= len(bounds.modalities)])
    others = [pick(rng, bounds.modalities) for _ in range(count - len(bounds.modalities))]
    streams = [
        random_stream(rng, bounds, modality, f"s{number}")
        for number, modality in enumerate((*bounds.modalities, *others), 1)
    ]
    nodes: list[Node] = []
    depths = [-1] * count
    for inputs in _random_inputs(rng, bounds, count, pick(rng, bounds.nodes)):
        depths.append(1 + max(depths[i] for i in inputs))
        block = random_block(rng, bounds, depths[-1])
        nodes.append(Node(block=block, inputs=inputs, name=f"n{len(nodes) + 1}"))
    return TinyStreams(streams=tuple(streams), nodes=tuple(nodes), dropout=bounds.dropout)


def random_stream(
    rng: np.random.Generator, bounds: Bounds, modality: StreamModality, name: str
) -> Stream:
    """Draw the clip of a stream."""
    frames = pick(rng, bounds.frames)
    return Stream(
        modality=modality,
        image_size=pick(rng, bounds.image_size),
        frames=frames,
        frame_stride=pick(rng, bounds.strides(frames)),
        name=name,
    )


def some(rng: np.random.Generator, bounds: Bounds, names: Sequence[str]) -> set[str]:
    """Draw ends of edges, at least one."""
    drawn = {name for name in names if chance(rng, bounds.edge_probability)}
    return drawn or {pick(rng, names)}


def _random_inputs(
    rng: np.random.Generator, bounds: Bounds, streams: int, nodes: int
) -> list[tuple[int, ...]]:
    """Inputs of each node, such that everything has an input and leads to the last node."""
    last = streams + nodes - 1
    inputs = [
        {source for source in range(target) if chance(rng, bounds.edge_probability)}
        for target in range(streams, last + 1)
    ]
    for source in range(last):
        later = inputs[max(source + 1 - streams, 0) :]
        if not any(source in sources for sources in later):
            pick(rng, later).add(source)
    for target, sources in enumerate(inputs, streams):
        if not sources:
            sources.add(int(rng.integers(target)))
    return [tuple(sorted(sources)) for sources in inputs]
