"""Designs: small networks that people drew, where a search begins."""

from __future__ import annotations

from collections.abc import Sequence

from vidnas.families.tinystreams.architecture import Node, Stream, TinyStreams
from vidnas.families.tinyvideonet.block import Block
from vidnas.families.tinyvideonet.designs import residual, squeezing

_Clip = tuple[int, int, int]
"""The frames, the frame stride and the size of the clip of a stream."""


def _network(
    streams: Sequence[_Clip], nodes: Sequence[tuple[tuple[int, ...], Block]]
) -> TinyStreams:
    return TinyStreams(
        streams=tuple(
            Stream(frames=frames, frame_stride=stride, size_px=size_px, name=f"s{number}")
            for number, (frames, stride, size_px) in enumerate(streams, 1)
        ),
        nodes=tuple(
            Node(block=block, inputs=inputs, name=f"n{number}")
            for number, (inputs, block) in enumerate(nodes, 1)
        ),
    )


def _one_stream(clip: _Clip, *blocks: Block) -> TinyStreams:
    return _network((clip,), [((index,), block) for index, block in enumerate(blocks)])


def _two_streams(first: _Clip, second: _Clip, filters: tuple[int, int, int, int]) -> TinyStreams:
    """Two blocks on the first stream, and one on the second, which has half its size and shortens
    its clip; then two on both."""
    once, twice, fused, last = filters
    nodes = (
        ((0,), residual(once)),
        ((1,), residual(once, temporal_stride=2)),
        ((2,), residual(twice)),
        ((3, 4), residual(fused, 2)),
        ((5,), residual(last, 2, temporal_stride=2)),
    )
    return _network((first, second), nodes)


DESIGNS: tuple[TinyStreams, ...] = (
    _one_stream((8, 2, 64), residual(16), residual(32, 2), residual(64, 2, 2), residual(128, 2, 2)),
    _one_stream((16, 1, 32), squeezing(24), squeezing(64), residual(128, 2, 2)),
    # Few large frames and many small ones, as in SlowFast (Feichtenhofer et al., ICCV 2019).
    _two_streams((4, 4, 64), (16, 1, 32), (16, 32, 64, 128)),
    _two_streams((8, 2, 64), (16, 1, 32), (24, 48, 96, 192)),
    _two_streams((4, 4, 48), (8, 2, 32), (16, 24, 48, 96)),
    _one_stream((8, 2, 32), residual(16), residual(32, 1, 2), residual(64, 2, 2)),
    _one_stream((4, 4, 32), residual(16), residual(24), residual(48, 1, 2)),
    _two_streams((8, 2, 64), (16, 1, 32), (32, 64, 128, 256)),
    _two_streams((8, 2, 112), (16, 1, 64), (24, 48, 96, 192)),
)
