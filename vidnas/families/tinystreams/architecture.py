"""Multi-stream Tiny Video Networks: input streams of their own, and a graph of blocks.

The mobile form of Piergiovanni, Angelova, Ryoo: Tiny Video Networks, arXiv 1910.06961, whose blocks
name their inputs. The published code sees only the first input of a block; here all are fused, by
the weighted sum of AssembleNet (Ryoo et al., ICLR 2020, arXiv 1905.13209).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from vidnas.core import ClipSpec
from vidnas.core.value import Value
from vidnas.families.architecture import Architecture
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.unit import (
    Extent,
    Unit,
    block_units,
    canonical_block,
    refuse_published_genes,
)

HEAD = "classifier"
"""Name of the head among the boxes of the diagram; no stream or node may have it."""

StreamModality = Literal["rgb", "flow"]


class Stream(Value):
    """A clip of its own size, length and pace."""

    modality: StreamModality = "rgb"
    image_size: PositiveInt
    frames: PositiveInt
    frame_stride: PositiveInt = 1
    name: str = ""
    """As of a node."""

    @property
    def clip(self) -> ClipSpec:
        """What the stream takes."""
        return ClipSpec(
            modality=self.modality,
            frames=self.frames,
            frame_stride=self.frame_stride if self.frames > 1 else 1,
            size_px=self.image_size,
        )


class Node(Value):
    """A block on the fusion of streams and of earlier nodes."""

    block: Block
    inputs: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """In ascending order: streams count from 0, nodes go on from there."""
    name: str = ""
    """Kept along a lineage, so that its connections can be followed; no name is the index."""


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
        names = self.node_names
        if len({*names, HEAD}) <= len(names):
            raise ValueError(f"names {', '.join(names)} are not all different, or one is {HEAD!r}")
        for index, node in enumerate(self.nodes, len(self.streams)):
            refuse_published_genes(node.block, f"node {names[index]}")
            wrong = [i for i in node.inputs if i >= index]
            if wrong:
                raise ValueError(f"node {names[index]}: inputs {wrong} do not come before {index}")
            if list(node.inputs) != sorted(set(node.inputs)):
                raise ValueError(f"node {names[index]}: inputs {node.inputs} are not ascending")
        return self

    @property
    def node_names(self) -> tuple[str, ...]:
        """Of streams, then nodes."""
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
    def live(self) -> frozenset[int]:
        """Streams and nodes that lead to the last node."""
        first, last = len(self.streams), len(self.streams) + len(self.nodes) - 1
        live = {last}
        for index in range(last, first - 1, -1):
            if index in live:
                live.update(self.nodes[index - first].inputs)
        return frozenset(live)

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        """The clips of the streams that are built; streams with the same clip share it."""
        live = self.live
        clips = [stream.clip for index, stream in enumerate(self.streams) if index in live]
        return tuple(dict.fromkeys(clips))

    @property
    def units(self) -> tuple[tuple[Unit, ...], ...]:
        """The repeats of each node's block, resolved to layers."""
        exits = [
            Extent(stream.frames, stream.image_size, stream.clip.channels)
            for stream in self.streams
        ]
        units = []
        for index, node in enumerate(self.nodes):
            entry = _fused([exits[i] for i in node.inputs])
            units.append(tuple(block_units(node.block, index, entry, "corrected")))
            exits.append(units[-1][-1].exit)
        return tuple(units)

    def pruned(self) -> TinyStreams:
        """The streams and nodes that are built, under the names that they have."""
        kept = sorted(self.live)
        place = {old: new for new, old in enumerate(kept)}
        names, first = self.node_names, len(self.streams)
        streams = [
            self.streams[index].model_copy(update={"name": names[index]})
            for index in kept
            if index < first
        ]
        nodes = []
        for index in kept[len(streams) :]:
            node = self.nodes[index - first]
            inputs = tuple(place[i] for i in node.inputs)
            nodes.append(Node(block=node.block, inputs=inputs, name=names[index]))
        return self.model_copy(update={"streams": tuple(streams), "nodes": tuple(nodes)})

    def canonical(self) -> TinyStreams:
        """The same network with every gene that cannot matter set to its neutral value."""
        pruned = self.pruned()
        streams = tuple(
            stream.model_copy(update={"frame_stride": stream.clip.frame_stride, "name": ""})
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


def _fused(inputs: Sequence[Extent]) -> Extent:
    """What enters a node: the shortest and smallest, as wide as the widest."""
    return Extent(
        frames=min(extent.frames for extent in inputs),
        size_px=min(extent.size_px for extent in inputs),
        channels=max(extent.channels for extent in inputs),
    )
