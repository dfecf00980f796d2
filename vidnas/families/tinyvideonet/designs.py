"""Designs: small networks that people drew, where a search begins."""

from __future__ import annotations

from typing import Any

from vidnas.families.clips import seen_both_ways
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block


def residual(filters: int, repeats: int = 1, temporal_stride: int = 1, **genes: Any) -> Block:
    """A residual block that halves the resolution and convolves in space, then in time."""
    usual = {"spatial_type": "1std", "spatial_kernel": 3, "temporal_kernel": 3}
    return Block(
        filters=filters,
        repeats=repeats,
        spatial_stride=2,
        temporal_stride=temporal_stride,
        skip=True,
        **{**usual, **genes},
    )


def squeezing(filters: int) -> Block:
    """A residual block that leaves a third of the frames.

    Two of them are as near as the genes come to SqueezeTime, which stacks the frames of a clip into
    channels (arXiv 2405.08344): most of the network then sees a frame or two.
    """
    return residual(filters, 1, 3, temporal_kernel=5)


def _separable(filters: int, repeats: int, temporal_stride: int = 1) -> Block:
    """A bottleneck around a depthwise convolution."""
    return residual(filters, repeats, temporal_stride, spatial_type="depth", expand=2)


def _chain(frames: int, frame_stride: int, size_px: int, *blocks: Block) -> TinyVideoNet:
    return TinyVideoNet(frames=frames, frame_stride=frame_stride, size_px=size_px, blocks=blocks)


DESIGNS: tuple[TinyVideoNet, ...] = (
    *seen_both_ways(
        _chain(8, 2, 64, residual(16), residual(32, 2), residual(64, 2, 2), residual(128, 2, 2))
    ),
    *seen_both_ways(_chain(16, 1, 32, squeezing(24), squeezing(64), residual(128, 2, 2))),
    *seen_both_ways(_chain(8, 2, 32, residual(16), residual(32, 1, 2), residual(64, 2, 2))),
    _chain(16, 1, 64, squeezing(16), squeezing(48), residual(96, 2, 2), residual(192, 2)),
    _chain(8, 2, 48, residual(16), residual(24), residual(48, 2, 2), residual(96, 2, 2)),
    _chain(8, 2, 64, residual(24), residual(48, 2), residual(96, 2, 2), residual(192, 2, 2)),
    _chain(4, 4, 32, residual(16), residual(24), residual(48, 1, 2)),
    _chain(
        12, 1, 64,
        residual(16, spatial_kernel=5), residual(32, 2, 2), residual(64, 2, 2), residual(128),
    ),
    _chain(8, 2, 48, residual(16), _separable(16, 2), _separable(32, 2, 2), _separable(64, 2, 2)),
    _chain(16, 1, 112, residual(24), residual(48, 2, 2), residual(96, 2, 2), residual(192, 2, 2)),
)  # fmt: skip
