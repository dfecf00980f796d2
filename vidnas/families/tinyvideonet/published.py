"""The published Tiny Video Networks, and their original format.

Genomes as released in google-research/tiny_video_nets (Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from vidnas.core import ClipSpec, UserError
from vidnas.families.tinyvideonet.architecture import Block, TinyVideoNet
from vidnas.families.tinyvideonet.unit import Extent
from vidnas.layers.activation import Activation

_CLIP_GENES = {"image_size": "image_size", "num_frames": "frames", "frame_stride": "frame_stride"}
_RENAMED = {"inv-bottle": "inverted_bottleneck"}
_ACTS = ("act", "spatial_act", "temporal_act")
_INFORMATIONAL = {"current_size", "input_size", "output_size", "inputs"}


def from_official(genome: Mapping[str, Any] | str) -> TinyVideoNet:
    """Read a genome in the original format: a dict, or the same as a JSON string.

    Raises:
        UserError: it is not such a genome, or has several input streams or branches, which
            `vidnas.families.tinystreams.from_official` reads.
    """
    with reading_genome():
        genome = json.loads(genome) if isinstance(genome, str) else genome
        _refuse_branches(genome)
        return TinyVideoNet(
            **read_clip(genome["input_streams"][0] if "input_streams" in genome else genome),
            blocks=tuple(read_block(block) for block in genome["blocks"]),
            rules="published",
        )


def to_official(architecture: TinyVideoNet) -> dict[str, Any]:
    """Write a genome in the original format, sizes recomputed; mobile form where it is needed.

    The format has no room for dropout and the kind of head: these are arguments there.

    Raises:
        UserError: the original code would build another network, because a skip or the input
            differs.
    """
    if architecture.in_channels != 3:
        raise UserError(
            "This architecture takes optical flow, and the original format only knows RGB; "
            "write it with to_json() instead."
        )
    published = architecture.model_copy(update={"rules": "published"})
    if published.units != architecture.units:
        raise UserError(
            "This architecture has skips as the identity or across temporal strides, which the "
            "original format cannot express; write it with to_json() instead."
        )
    mobile = any(
        block.inverted_bottleneck or {getattr(block, act) for act in _ACTS} != {"relu"}
        for block in architecture.blocks
    )
    blocks = [
        {**write_block(block, mobile=mobile), "current_size": [entry.size_px, entry.frames]}
        for block, entry in zip(architecture.blocks, _entries(architecture), strict=True)
    ]
    clip = write_clip(architecture.inputs[0])
    if not mobile:
        return {**clip, "num_blocks": len(blocks), "blocks": blocks, "total_layers": 0}
    return {
        "input_streams": [{**clip, "current_size": blocks[0]["current_size"]}],
        "blocks": [{**block, "inputs": [index]} for index, block in enumerate(blocks)],
    }


@contextmanager
def reading_genome() -> Iterator[None]:
    """Say of what cannot be read as a genome that it is none."""
    try:
        yield
    except (json.JSONDecodeError, KeyError, TypeError, IndexError, ValidationError) as error:
        raise UserError(
            f"This is not a Tiny Video Network in its original format: {error!r}; pass a dict with "
            "image_size, num_frames, frame_stride and blocks, or with input_streams and blocks."
        ) from error


def read_clip(genome: Mapping[str, Any]) -> dict[str, Any]:
    """Read the genes of a clip."""
    return {gene: genome[key] for key, gene in _CLIP_GENES.items()}


def write_clip(spec: ClipSpec) -> dict[str, Any]:
    """Write the genes of a clip."""
    sizes = (spec.size_px, spec.frames, spec.frame_stride)
    return dict(zip(_CLIP_GENES, sizes, strict=True))


def read_block(genome: Mapping[str, Any]) -> Block:
    """Read one block; spatial and temporal activations count only where `act` is given."""
    genes = {_RENAMED.get(key, key): genome[key] for key in genome.keys() - _INFORMATIONAL}
    if "act" not in genome:
        genes = {key: value for key, value in genes.items() if key not in _ACTS}
    return Block(**genes)


def write_block(block: Block, *, mobile: bool) -> dict[str, Any]:
    """Write one block; only the mobile form has activations and inverted bottlenecks."""
    genes = block.model_dump()
    inverted = genes.pop("inverted_bottleneck")
    acts = {act: genes.pop(act) for act in _ACTS}
    genes |= {flag: int(genes[flag]) for flag in ("skip", "context_gate")}
    return {**genes, **acts, "inv-bottle": int(inverted)} if mobile else genes


def _entries(architecture: TinyVideoNet) -> list[Extent]:
    """What enters each block."""
    return [unit.entry for unit in architecture.units if unit.name.endswith("-0")]


def _refuse_branches(genome: Mapping[str, Any]) -> None:
    chained = all(
        block.get("inputs", [index]) == [index] for index, block in enumerate(genome["blocks"])
    )
    if len(genome.get("input_streams", [None])) != 1 or not chained:
        raise UserError(
            "The genome has several input streams or branches, which a chain of blocks cannot "
            "have; read it with vidnas.families.tinystreams.from_official, which fuses them."
        )


def _tvn1() -> TinyVideoNet:
    return TinyVideoNet(
        image_size=224,
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
        image_size=256,
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
        image_size=160,
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
        image_size=128,
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
        image_size=224,
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
    "tvn_mobile_1": lambda: _mobile(4, "relu"),
    "tvn_mobile_2": lambda: _mobile(3, "hswish"),
}
