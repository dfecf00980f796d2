"""Designs: small networks that people drew, where a search begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block


def _chain(
    filters: Sequence[int],
    repeats: Sequence[int],
    temporal_strides: Sequence[int],
    *,
    first_kernel: int = 3,
    **genes: Any,
) -> tuple[Block, ...]:
    """Residual blocks, each of which halves the resolution and convolves in space, then in time."""
    columns = enumerate(zip(filters, repeats, temporal_strides, strict=True))
    common = {"spatial_type": "1std", "spatial_stride": 2, "temporal_kernel": 3, "skip": True}
    return tuple(
        Block(
            filters=width,
            repeats=times,
            temporal_stride=stride,
            spatial_kernel=3 if index else first_kernel,
            **{**common, **genes},
        )
        for index, (width, times, stride) in columns
    )
DESIGNS: tuple[TinyVideoNet, ...] = (
    TinyVideoNet(
        frames=8,
        frame_stride=2,
        size_px=64,
        blocks=_chain((16, 32, 64, 128), (1, 2, 2, 2), (1, 1, 2, 2)),
    ),
    TinyVideoNet(
        frames=8,
        frame_stride=2,
        size_px=48,
        blocks=_chain((24, 48, 96), (1, 2, 2), (1, 1, 2), first_kernel=5),
    ),
    TinyVideoNet(
        frames=12,
        size_px=64,
        blocks=_chain((16, 32, 64, 128), (1, 2, 2, 1), (1, 2, 2, 1), first_kernel=5),
    ),
    # Half and a quarter of the first, for a tight limit.
    TinyVideoNet(
        frames=8,
        frame_stride=2,
        size_px=48,
        blocks=_chain((16, 24, 48, 96), (1, 1, 2, 2), (1, 1, 2, 2)),
    ),
    TinyVideoNet(
        frames=8,
        frame_stride=2,
        size_px=32,
        blocks=_chain((16, 32, 64), (1, 1, 2), (1, 2, 2)),
    ),
    TinyVideoNet(
        frames=4,
        frame_stride=4,
        size_px=32,
        blocks=_chain((16, 24, 48), (1, 1, 1), (1, 1, 2)),
    ),
    TinyVideoNet(
        frames=8,
        frame_stride=2,
        size_px=64,
        blocks=(
            *_chain((16,), (1,), (1,)),
            *_chain((16, 32, 64), (2, 2, 2), (1, 2, 2), spatial_type="depth", expand=2),
        ),
    ),
    # SqueezeTime's idea, as near as these genes come: time is gone after two blocks.
    TinyVideoNet(
        frames=16,
        size_px=64,
        blocks=(
            *_chain((16, 48), (1, 1), (3, 3), temporal_kernel=5),
            *_chain((96, 192), (2, 2), (2, 1)),
        ),
    ),
    TinyVideoNet(
        frames=8,
        frame_stride=2,
        size_px=64,
        blocks=_chain((24, 48, 96, 192), (1, 2, 2, 2), (1, 1, 2, 2)),
    ),
    TinyVideoNet(
        frames=16, size_px=112, blocks=_chain((24, 48, 96, 192), (1, 2, 2, 2), (1, 2, 2, 2))
    ),
)
