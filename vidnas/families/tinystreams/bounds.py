"""The bounds of a search for multi-stream networks, and random networks.

Random networks are overly connected: evolution finds which connections they can do without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from vidnas.families.bounded import Bounds
from vidnas.families.clips import VideoModality
from vidnas.families.genes import chance, pick
from vidnas.families.tinystreams.architecture import Node, Stream, TinyStreams
from vidnas.families.tinyvideonet.space import BlockBounds, random_block


class StreamsBounds(BlockBounds, Bounds):
    """The bounds of graphs of blocks on several clips."""

    modalities: Annotated[tuple[VideoModality, ...], Field(min_length=1)]
    """Random networks have a stream of each."""
    streams: tuple[PositiveInt, ...] = (1, 2, 3)
    """How many there may be."""
    nodes: tuple[PositiveInt, ...] = (2, 3, 4, 5, 6)
    """How many there may be."""
    edge_probability: float = 0.5
    """The probability of each admissible edge of a random network, so that searches start overly
    connected."""
    edge_threshold: float = 0.5
    """Edges with higher weights are kept by a guided mutation."""

    @model_validator(mode="after")
    def _have_a_stream_of_each(self) -> StreamsBounds:
        if max(self.streams, default=0) < len(self.modalities):
            raise ValueError(
                f"streams {self.streams} are fewer than the modalities "
                f"{' and '.join(self.modalities)}; allow {len(self.modalities)} or more"
            )
        return self

    def hold(self, architecture: TinyStreams) -> bool:
        """Whether the architecture lies within the bounds."""
        streams, nodes = architecture.streams, architecture.nodes
        units = architecture.units
        return (
            architecture.dropout == self.dropout
            and len(streams) in self.streams
            and len(nodes) in self.nodes
            and all(stream.modality in self.modalities for stream in streams)
            and all(self.hold_clip(stream) for stream in streams)
            # A second stream of the same clip would say nothing that the first does not.
            and len({stream.spec for stream in streams}) == len(streams)
            and all(stream.name for stream in streams)
            and all(node.name for node in nodes)
            and all(self.hold_block(node.block) for node in nodes)
            and units[-1][-1].exit.size_px >= self.min_size_px
            and all(self.afford(unit) for repeats in units for unit in repeats)
        )


def random_network(rng: np.random.Generator, bounds: StreamsBounds) -> TinyStreams:
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
    rng: np.random.Generator, bounds: StreamsBounds, modality: VideoModality, name: str
) -> Stream:
    """Draw the clip of a stream."""
    frames = pick(rng, bounds.frames)
    return Stream(
        modality=modality,
        size_px=pick(rng, bounds.size_px),
        frames=frames,
        frame_stride=pick(rng, bounds.strides(frames)),
        sampling=pick(rng, bounds.sampling),
        name=name,
    )


def some(rng: np.random.Generator, bounds: StreamsBounds, names: Sequence[str]) -> set[str]:
    """Draw ends of edges, at least one."""
    drawn = {name for name in names if chance(rng, bounds.edge_probability)}
    return drawn or {pick(rng, names)}


def _random_inputs(
    rng: np.random.Generator, bounds: StreamsBounds, streams: int, nodes: int
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
