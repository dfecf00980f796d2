"""Multi-stream Tiny Video Networks: input streams of their own, and a graph of blocks.

The mobile form of Piergiovanni, Angelova, Ryoo: Tiny Video Networks, arXiv 1910.06961, whose blocks
name their inputs. The published code sees only the first input of a block; here all are fused, by
the weighted sum of AssembleNet (Ryoo et al., ICLR 2020, arXiv 1905.13209).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, NonNegativeInt, model_validator

from vidnas.core import ClipSpec
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture, require_few
from vidnas.families.clips import ClipGenes, VideoModality
from vidnas.families.graph import Graph
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.unit import (
    Extent,
    Unit,
    block_units,
    canonical_block,
    reject_published_genes,
)

HEAD = "classifier"
"""Name of the head among the boxes of the diagram; no stream or node may have it."""


class Stream(ClipGenes):
    """A clip of its own size, length and pace."""

    modality: VideoModality = "rgb"
    name: str = ""
    """Kept along a lineage, as the name of a node is."""

    @property
    def spec(self) -> ClipSpec:
        """The clip that the stream takes."""
        return self.clip(self.modality)


class Node(Value):
    """A block on the fusion of streams and of earlier nodes."""

    block: Block
    inputs: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """In ascending order: streams count from 0, nodes follow."""
    name: str = ""
    """Kept along a lineage, so that its connections can be followed; by default the index."""


class TinyStreams(Architecture):
    """Streams, and nodes of which the last leads to the classifier.

    Inputs of a node are max-pooled to the shortest and smallest of them before they are fused.
    Streams and nodes that do not lead to the last node are not built.
    """

    family: ClassVar[str] = "tinystreams"

    streams: Annotated[tuple[Stream, ...], Field(min_length=1)]
    nodes: Annotated[tuple[Node, ...], Field(min_length=1)]
    """In topological order."""
    max_pool_predictions: bool = False
    """Classify each frame and pool the logits, instead of pooling the features."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _is_buildable(self) -> TinyStreams:
        require_few(len(self.streams) + sum(node.block.repeats for node in self.nodes))
        names = self.node_names
        if len({*names, HEAD}) <= len(names):
            raise ValueError(f"names {', '.join(names)} are not all different, or one is {HEAD!r}")
        for index, node in enumerate(self.nodes, len(self.streams)):
            reject_published_genes(node.block, f"node {names[index]}")
            wrong = [i for i in node.inputs if i >= index]
            if wrong:
                raise ValueError(f"node {names[index]}: inputs {wrong} do not come before {index}")
            if list(node.inputs) != sorted(set(node.inputs)):
                raise ValueError(f"node {names[index]}: inputs {node.inputs} are not ascending")
        return self

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of streams, then nodes."""
        names = [*(stream.name for stream in self.streams), *(node.name for node in self.nodes)]
        return tuple(name or str(index) for index, name in enumerate(names))

    @property
    def depths(self) -> tuple[int, ...]:
        """Longest way from a stream to each stream, 0, and to each node."""
        depths = [0] * len(self.streams)
        for node in self.nodes:
            depths.append(1 + max(depths[i] for i in node.inputs))
        return tuple(depths)

    @property
    def graph(self) -> Graph:
        """What each node takes."""
        return Graph(self.node_names, [node.inputs for node in self.nodes])

    @property
    def live(self) -> frozenset[str]:
        """Names of the streams and nodes that lead to the last node."""
        return frozenset(self.graph.leading_to(self.node_names[-1:]))

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips of the streams that are built; streams with the same clip share it."""
        live = self.live
        names = zip(self.node_names, self.streams, strict=False)
        return tuple(dict.fromkeys(stream.spec for name, stream in names if name in live))

    @property
    def units(self) -> tuple[tuple[Unit, ...], ...]:
        """The repeats of each node's block, resolved to layers."""
        exits = [
            Extent(stream.frames, stream.size_px, stream.spec.channels) for stream in self.streams
        ]
        units = []
        for index, node in enumerate(self.nodes):
            entry = _fused([exits[i] for i in node.inputs])
            units.append(tuple(block_units(node.block, index, entry, "corrected")))
            exits.append(units[-1][-1].exit)
        return tuple(units)

    @property
    def entries(self) -> tuple[Extent, ...]:
        """What enters each node."""
        return tuple(repeats[0].entry for repeats in self.units)

    def pruned(self) -> TinyStreams:
        """The streams and nodes that are built, under the names that they have."""
        graph, parts = self.graph, Parts(self)
        graph.keep(self.live)
        return self.model_copy(update=parts.genes(graph))

    def canonical(self) -> TinyStreams:
        """The same network with every gene that cannot matter set to its neutral value."""
        pruned = self.pruned()
        streams = tuple(
            stream.model_copy(update={**stream.neutral_clip, "name": ""})
            for stream in pruned.streams
        )
        units = pruned.units
        nodes = tuple(
            Node(
                block=canonical_block(node.block, repeats[0].entry, "corrected"), inputs=node.inputs
            )
            for node, repeats in zip(pruned.nodes, units, strict=True)
        )
        return pruned.model_copy(
            update={
                "streams": streams,
                "nodes": nodes,
                "max_pool_predictions": self.max_pool_predictions and units[-1][-1].exit.frames > 1,
            }
        )


class Parts:
    """The streams and blocks of a network by name, which a graph puts together again."""

    def __init__(self, network: TinyStreams) -> None:
        names, first = network.node_names, len(network.streams)
        self.streams = dict(zip(names[:first], network.streams, strict=True))
        blocks = [node.block for node in network.nodes]
        self.blocks = dict(zip(names[first:], blocks, strict=True))

    def genes(self, graph: Graph) -> dict[str, Any]:
        """The genes of a network that has the streams and nodes of the graph."""
        streams = [self.streams[name].model_copy(update={"name": name}) for name in graph.entries]
        nodes = [
            Node(block=self.blocks[name], inputs=graph.inputs(name), name=name)
            for name in graph.sources
        ]
        return {"streams": tuple(streams), "nodes": tuple(nodes)}


def _fused(inputs: Sequence[Extent]) -> Extent:
    """What enters a node: the shortest and smallest, as wide as the widest."""
    return Extent(
        frames=min(extent.frames for extent in inputs),
        size_px=min(extent.size_px for extent in inputs),
        channels=max(extent.channels for extent in inputs),
    )
