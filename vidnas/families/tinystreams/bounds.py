"""The bounds of a search: which values each gene may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from vidnas.families.tinystreams.architecture import StreamModality, TinyStreams
from vidnas.families.tinyvideonet.bounds import TinyBounds


class Bounds(TinyBounds):
    """Bounds of graphs of blocks on several clips."""

    modalities: Annotated[tuple[StreamModality, ...], Field(min_length=1)]
    """Random networks have a stream of each."""
    streams: tuple[PositiveInt, ...] = (1, 2, 3)
    """How many there may be."""
    nodes: tuple[PositiveInt, ...] = (2, 3, 4, 5, 6)
    """How many there may be."""
    edge_probability: float = 0.5
    """Of each admissible edge of a random network: searches start overly connected."""
    edge_threshold: float = 0.5
    """Edges with higher weights are kept by a guided mutation."""

    def hold(self, architecture: TinyStreams) -> bool:
        """Whether the architecture lies within the bounds."""
        streams, nodes = architecture.streams, architecture.nodes
        units = architecture.units
        return (
            architecture.dropout == self.dropout
            and len(streams) in self.streams
            and len(nodes) in self.nodes
            and all(stream.modality in self.modalities for stream in streams)
            and all(self.hold_clip(s.image_size, s.frames, s.frame_stride) for s in streams)
            # A second stream of the same clip would say nothing that the first does not.
            and len({stream.clip for stream in streams}) == len(streams)
            and all(stream.name for stream in streams)
            and all(node.name for node in nodes)
            and all(self.hold_block(node.block) for node in nodes)
            and units[-1][-1].exit.size_px >= self.min_size_px
            and all(self.afford(unit) for repeats in units for unit in repeats)
        )
