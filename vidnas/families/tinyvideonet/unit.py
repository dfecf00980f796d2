"""Blocks resolved to the layers that are built: one unit per repeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vidnas.families.tinyvideonet.block import Block
from vidnas.layers.activation import Activation

Rules = Literal["published", "corrected"]


@dataclass(frozen=True)
class Extent:
    """Size of the features of one clip between two layers."""

    frames: int
    size_px: int
    channels: int


@dataclass(frozen=True)
class Operation:
    """A convolution or pooling over space or over time."""

    kind: Literal["conv", "depthwise", "maxpool", "avgpool"]
    kernel: int
    stride: int
    act: Activation = "relu"
    causal: bool = False
    """Over time: whether it sees the past only."""


@dataclass(frozen=True)
class Unit:
    """The layers of one repeat in their order; a width of 0 or None means the layer is absent."""

    name: str
    """Its scope in the original code, `Block-b-r`."""
    entry: Extent
    widen: int
    """1x1 convolution that opens an inverted bottleneck."""
    reduce: int
    """1x1 convolution before the spatial one."""
    spatial: Operation | None
    temporal: Operation | None
    inner: int
    """Width of the spatial and temporal convolutions."""
    expand: int
    hidden: int
    """Hidden width of squeeze-and-excite."""
    context_gate: bool
    gated_channels: int
    """Channels where the gates are; equal to `width` in every network that can be built."""
    width: int
    narrow: int
    """1x1 convolution that closes an inverted bottleneck."""
    skip: Literal["none", "identity", "projection"]
    skip_stride: tuple[int, int]
    """The strides in time and in space."""
    act: Activation
    non_local: int
    exit: Extent
    frame_by_frame: bool = False
    """Whether gates and the non-local block see one frame at a time, instead of the clip."""


def resolve(
    block: Block,
    entry: Extent,
    rules: Rules,
    *,
    name: str,
    repeat: int,
    in_time: bool,
    causal: bool = False,
) -> Unit:
    """Resolve one repeat of a block that is entered by features of a given extent.

    Args:
        block: the genes.
        entry: what enters this repeat.
        rules: see `TinyVideoNet.rules`.
        name: scope in the original code.
        repeat: its number, from 0; strides and the first temporal layer belong to 0.
        in_time: whether more than one frame enters the block; without, temporal genes are dead.
        causal: whether no layer sees a frame that is newer than what it computes.
    """
    widen = block.width if block.inverted_bottleneck and block.expand else 0
    inner = block.width if block.inverted_bottleneck else block.filters
    spatial = _spatial(block, repeat)
    temporal = _temporal(block, repeat, entry.frames, causal=causal) if in_time else None
    expand = block.width if block.expand and not widen else 0

    operations = [op for op in (spatial, temporal) if op]
    convolved = any(op.kind in ("conv", "depthwise") for op in operations)
    channels = expand or (inner if convolved else widen or entry.channels)
    stride = spatial.stride if spatial else 1
    frame_stride = temporal.stride if temporal else 1
    exit_ = Extent(
        -(-entry.frames // frame_stride),
        -(-entry.size_px // stride),
        block.filters if widen else channels,
    )
    same_shape = stride == frame_stride == 1 and exit_.channels == entry.channels
    skip: Literal["none", "identity", "projection"] = "none"
    if block.skip and rules == "published":
        skip = "projection" if exit_.frames == entry.frames else "none"
    elif block.skip:
        skip = "identity" if same_shape else "projection"
    reduced = spatial is not None and block.spatial_type in ("std", "depth")
    non_local = block.non_local if repeat == block.repeats - 1 else 0
    sees_clip = bool(block.hidden or block.context_gate or non_local)
    return Unit(
        name=name,
        entry=entry,
        widen=widen,
        reduce=inner if reduced else 0,
        spatial=spatial,
        temporal=temporal,
        inner=inner if convolved else 0,
        expand=expand,
        hidden=block.hidden,
        context_gate=block.context_gate,
        gated_channels=channels,
        width=block.width,
        narrow=block.filters if widen else 0,
        skip=skip,
        skip_stride=(frame_stride, stride) if skip == "projection" else (1, 1),
        act=block.act,
        non_local=non_local,
        exit=exit_,
        frame_by_frame=causal and sees_clip,
    )


def _spatial(block: Block, repeat: int) -> Operation | None:
    stride = block.spatial_stride if repeat == 0 else 1
    if block.spatial_kernel == 1:
        return None
    if block.spatial_type in ("maxpool", "avgpool"):
        return Operation(block.spatial_type, block.spatial_kernel, stride)
    kind: Literal["conv", "depthwise"] = "depthwise" if block.spatial_type == "depth" else "conv"
    return Operation(kind, block.spatial_kernel, stride, block.spatial_act)


def _temporal(block: Block, repeat: int, frames: int, *, causal: bool) -> Operation | None:
    stride = block.temporal_stride if repeat == 0 else 1
    if block.temporal_kernel == 1 or repeat % 2 == 1:
        return None
    # In a stream there are frames before the clip, which no longer kernel has learned to see.
    kernel = min(block.temporal_kernel, frames) if causal else block.temporal_kernel
    if block.temporal_type != "1d":
        return Operation(block.temporal_type, kernel, stride, causal=causal)
    return Operation("conv", kernel, stride, block.temporal_act, causal) if frames > 1 else None


def block_units(
    block: Block, index: int, entry: Extent, rules: Rules, *, causal: bool = False
) -> list[Unit]:
    """Resolve all repeats of one block."""
    units: list[Unit] = []
    for repeat in range(block.repeats):
        extent = units[-1].exit if units else entry
        units.append(
            resolve(
                block,
                extent,
                rules,
                name=f"Block-{index}-{repeat}",
                repeat=repeat,
                in_time=entry.frames > 1,
                causal=causal,
            )
        )
    return units


def canonical_block(block: Block, entry: Extent, rules: Rules, *, causal: bool = False) -> Block:
    """The block with every gene that cannot matter set to its neutral value.

    A gene cannot matter where its neutral value resolves to the same layers.
    """
    units = block_units(block, 0, entry, rules, causal=causal)
    genes_to_try = [*_neutral_genes(block)]
    if causal and 1 < entry.frames < block.temporal_kernel:  # it has no more to look back to
        genes_to_try.append({"temporal_kernel": entry.frames})
    for genes in genes_to_try:
        neutral = block.model_copy(update=genes)
        same = block_units(neutral, 0, entry, rules, causal=causal) == units
        if neutral != block and same:
            block = neutral
    return block


def reject_published_genes(block: Block, name: str) -> None:
    """Reject genes that only the `published` rules give a meaning.

    Raises:
        ValueError: a kernel of one strides, or expand is 0.
    """
    for axis in ("spatial", "temporal"):
        kernel, stride = getattr(block, f"{axis}_kernel"), getattr(block, f"{axis}_stride")
        if kernel == 1 and stride > 1:
            raise ValueError(
                f"{name}: {axis} kernel 1 does nothing and cannot stride by {stride}; use a "
                "larger kernel or stride 1"
            )
    if block.expand == 0:
        raise ValueError(f"{name}: expand is 0; use 1 or more")


def _neutral_genes(block: Block) -> Iterator[dict[str, Any]]:
    """Yield neutral values to try, one after the other."""
    for name, field in Block.model_fields.items():
        if not field.is_required():
            yield {name: field.default}
    if block.expand:
        yield {"filters": block.width, "expand": 1}
    if block.squeeze:
        # The middle of all ratios that give the same hidden width survives rounding.
        yield {"squeeze": min(1.0, (block.hidden + 0.5) / block.width)}
