"""The published Tiny Video Networks.

Genomes as released in google-research/tiny_video_nets (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.block import Block
from vidnas.layers.activation import Activation


def _tvn1() -> TinyVideoNet:
    return TinyVideoNet(
        size_px=224,
        frames=2,
        frame_stride=4,
        rules="published",
        blocks=(
            Block(
                repeats=2, spatial_type="std", spatial_kernel=4, spatial_stride=2,
                temporal_type="maxpool", temporal_kernel=2, temporal_stride=2,
                filters=64, expand=4, context_gate=True,
            ),
            Block(
                repeats=1, spatial_type="maxpool", spatial_kernel=3, spatial_stride=2,
                filters=128, expand=4, squeeze=0.9067600752736579,
            ),
            Block(
                repeats=2, spatial_type="depth", spatial_kernel=5, spatial_stride=3,
                temporal_type="avgpool", filters=128, expand=4, context_gate=True, skip=True,
            ),
            Block(
                repeats=2, spatial_type="std", spatial_kernel=3, spatial_stride=2,
                temporal_type="avgpool", filters=256, expand=8, squeeze=0.7265534208526172,
                context_gate=True,
            ),
        ),
    )  # fmt: skip


def _tvn2() -> TinyVideoNet:
    return TinyVideoNet(
        size_px=256,
        frames=2,
        frame_stride=7,
        rules="published",
        blocks=(
            Block(
                repeats=3, spatial_type="depth", spatial_kernel=5, spatial_stride=3,
                temporal_kernel=2, filters=64, expand=4, squeeze=0.06667482492426025,
                context_gate=True, skip=True,
            ),
            Block(
                repeats=5, spatial_type="std", spatial_kernel=4, spatial_stride=2,
                temporal_type="maxpool", temporal_kernel=2, temporal_stride=2,
                filters=128, expand=4, squeeze=0.693452618624749, context_gate=True, skip=True,
            ),
            Block(repeats=6, spatial_type="depth", spatial_kernel=4, filters=1024),
            Block(
                repeats=1, spatial_type="avgpool", spatial_kernel=3, spatial_stride=2,
                filters=256, expand=4, context_gate=True,
            ),
            Block(
                repeats=6, spatial_type="avgpool", spatial_kernel=4, spatial_stride=3,
                filters=512, expand=4, squeeze=0.9472192794783585,
            ),
            Block(
                repeats=4, spatial_type="depth", spatial_kernel=3, spatial_stride=3,
                temporal_type="maxpool", filters=512, expand=4,
            ),
            Block(
                repeats=1, spatial_type="maxpool", spatial_kernel=2, temporal_type="maxpool",
                filters=348, expand=6, context_gate=True,
            ),
        ),
    )  # fmt: skip


def _tvn3() -> TinyVideoNet:
    return TinyVideoNet(
        size_px=160,
        frames=8,
        frame_stride=2,
        rules="published",
        blocks=(
            Block(
                repeats=2, spatial_type="depth", spatial_kernel=3, spatial_stride=2,
                temporal_kernel=5, temporal_stride=2, filters=64, expand=3, squeeze=0.64573,
                context_gate=True,
            ),
            Block(
                repeats=4, spatial_type="depth", spatial_kernel=3, spatial_stride=2,
                filters=256, expand=5, squeeze=0.90614, skip=True,
            ),
            Block(
                repeats=4, spatial_type="depth", spatial_kernel=5, spatial_stride=4,
                temporal_type="maxpool", temporal_kernel=3, temporal_stride=2,
                filters=256, expand=2, skip=True,
            ),
            Block(
                repeats=4, spatial_type="std", spatial_kernel=3, spatial_stride=2,
                temporal_type="maxpool", temporal_kernel=3, temporal_stride=3,
                filters=512, expand=5, context_gate=True,
            ),
        ),
    )  # fmt: skip


def _tvn4() -> TinyVideoNet:
    return TinyVideoNet(
        size_px=128,
        frames=8,
        frame_stride=4,
        rules="published",
        blocks=(
            Block(
                repeats=5, spatial_type="std", spatial_kernel=5, spatial_stride=2,
                temporal_kernel=3, temporal_stride=2, filters=64, expand=4,
                squeeze=0.4775900391242449, skip=True,
            ),
            Block(
                repeats=4, spatial_type="depth", spatial_kernel=5, spatial_stride=2,
                temporal_type="maxpool", temporal_kernel=2, temporal_stride=2,
                filters=256, expand=6, context_gate=True,
            ),
            Block(
                repeats=4, spatial_type="depth", spatial_kernel=5, spatial_stride=3,
                filters=256, expand=8, squeeze=0.25309102981899967, context_gate=True,
            ),
        ),
    )  # fmt: skip


def _mobile(repeats: int, first_act: Activation) -> TinyVideoNet:
    return TinyVideoNet(
        size_px=224,
        frames=2,
        frame_stride=1,
        rules="published",
        blocks=(
            Block(
                repeats=4, spatial_type="depth", spatial_kernel=5, spatial_stride=4,
                temporal_kernel=2, filters=32, expand=3, squeeze=0.004598785768716973,
                spatial_act=first_act,
            ),
            Block(
                repeats=repeats, spatial_type="depth", spatial_kernel=5, spatial_stride=4,
                temporal_type="maxpool", temporal_kernel=2, filters=128, expand=6,
                inverted_bottleneck=True, squeeze=0.8589741047143076,
                spatial_act="hswish", temporal_act="hswish",
            ),
        ),
    )  # fmt: skip


PUBLISHED: dict[str, Callable[[], TinyVideoNet]] = {
    "tvn1": _tvn1,
    "tvn2": _tvn2,
    "tvn3": _tvn3,
    "tvn4": _tvn4,
    "tvn_mobile_1": partial(_mobile, 4, "relu"),
    "tvn_mobile_2": partial(_mobile, 3, "hswish"),
}
