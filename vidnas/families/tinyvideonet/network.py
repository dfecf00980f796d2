"""Tiny Video Networks as modules, in the formulation of frames as a batch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from vidnas.families.alignment import aligned
from vidnas.families.network import Network
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.unit import Operation, Unit
from vidnas.layers.activation import activate
from vidnas.layers.attention import NonLocal
from vidnas.layers.causal import ConvOverPast, OverPast, PoolOverPast
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import (
    OverTime,
    clip_to_frames,
    every,
    last_frames,
    use_channels_last,
)
from vidnas.layers.gates import ContextGate, SqueezeExcite
from vidnas.layers.head import ClassifierHead
from vidnas.layers.pooling import SamePool2d


class TinyVideoUnit(nn.Module):
    """One repeat of a block."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self.unit = unit
        channels = unit.widen or unit.entry.channels
        self.widen = (
            ConvNorm(unit.entry.channels, channels, act="relu") if unit.widen else nn.Identity()
        )
        spatial, channels = _spatial(unit, channels)
        self.spatial = nn.Sequential(*spatial)
        self.temporal: OverTime | None = None
        if unit.temporal:
            self.temporal, channels = _temporal(unit.temporal, channels, unit.inner)
        self.expand = ConvNorm(channels, unit.expand) if unit.expand else nn.Identity()
        self.squeeze_excite = SqueezeExcite(unit.width, unit.hidden) if unit.hidden else None
        self.context_gate = ContextGate(unit.width) if unit.context_gate else None
        self.narrow = ConvNorm(unit.width, unit.narrow) if unit.narrow else nn.Identity()
        self.skip: nn.Module = nn.Identity()
        if unit.skip == "projection":
            space = unit.skip_stride[1]
            self.skip = ConvNorm(unit.entry.channels, unit.exit.channels, stride=(space, space))
        self.non_local = NonLocal(unit.exit.channels, unit.non_local) if unit.non_local else None

    def pass_through(self) -> None:
        """Begin as the identity, where what enters is added to what leaves and ReLU follows."""
        layers = [self.spatial, self.temporal, self.expand, self.narrow]
        norms = [
            one.norm
            for layer in layers
            if layer is not None
            for one in layer.modules()
            if isinstance(one, ConvNorm)
        ]
        if self.unit.skip == "identity" and norms:
            nn.init.zeros_(norms[-1].weight)  # all that follows keeps zeros as they are

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T'`."""
        entry, entry_frames = x, frames
        x = self.spatial(self.widen(x))
        if self.temporal is not None:
            x, frames = self.temporal(x, frames)
        x = self.expand(x)
        together = 1 if self.unit.frame_by_frame else frames
        if self.squeeze_excite is not None:
            x = self.squeeze_excite(x, together)
        if self.context_gate is not None:
            x = self.context_gate(x, together)
        x = self.narrow(x)
        if self.unit.skip != "none":
            stride = self.unit.skip_stride[0]
            kept = every(entry, entry_frames, stride, newest=isinstance(self.temporal, OverPast))
            x = x + self.skip(kept)
        x = activate(x, self.unit.act)
        if self.non_local is not None:
            x = self.non_local(x, together)
        return x, frames


class TinyVideoNetwork(Network):
    """A chain of repeats and a classifier."""

    architecture: TinyVideoNet

    def __init__(self, architecture: TinyVideoNet, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self._kept_frames = architecture.units[-1].exit.frames
        self.units = nn.ModuleList(TinyVideoUnit(unit) for unit in architecture.units)
        self.head = ClassifierHead(
            architecture.units[-1].exit.channels,
            num_classes,
            dropout=architecture.dropout,
            max_pool_predictions=architecture.max_pool_predictions,
        )
        use_channels_last(self)

    @property
    def carries_past(self) -> bool:
        """Whether it is causal."""
        return self.architecture.looks_back

    def lineage(
        self, state: Mapping[str, Tensor], parent: Network | None = None
    ) -> dict[str, Tensor]:
        """Tensors by block and repeat; blocks behind one that was added or removed go by the places
        that the parent has them at. The non-local block of a block is behind its last repeat,
        whichever that is."""
        blocks = self.architecture.blocks
        places: list[int | str] = [*range(len(blocks))]
        if isinstance(parent, TinyVideoNetwork):
            found = aligned(parent.architecture.blocks, blocks)
            places = [f"new {i}" if place is None else place for i, place in enumerate(found)]
        repeats = [
            (place, repeat)
            for place, block in zip(places, blocks, strict=True)
            for repeat in range(block.repeats)
        ]
        named = {}
        for key, tensor in state.items():
            first, *rest = key.split(".", 2)
            name = key
            if first == "units":
                place, repeat = repeats[int(rest[0])]
                behind = rest[1].startswith("non_local.")
                name = f"{place}.{rest[1]}" if behind else f"{place}, {repeat}.{rest[1]}"
            named[name] = tensor
        return named

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to logits `(N, num_classes)`, for any N, T, H and W."""
        frames = int(clip.shape[2])
        x = clip_to_frames(self.normalizations[0](clip))
        for unit in self.units:
            x, frames = unit(x, frames)
        if self.carries_past:
            x, frames = last_frames(x, frames, self._kept_frames)
        logits: Tensor = self.head(x, frames)
        return logits


def _temporal(op: Operation, channels: int, inner: int) -> tuple[OverTime, int]:
    if op.kind in ("maxpool", "avgpool"):
        if op.causal:
            return PoolOverPast(op.kind, op.kernel, op.stride), channels
    elif op.causal:
        return ConvOverPast(channels, inner, op.kernel, op.stride, op.act), inner
    layer, channels = _layer(op, channels, inner, (op.kernel, 1), (op.stride, 1))
    return OverTime(layer), channels


def _layer(
    op: Operation, channels: int, inner: int, kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[nn.Module, int]:
    if op.kind in ("maxpool", "avgpool"):
        return SamePool2d(op.kind, kernel, stride), channels
    depthwise = op.kind == "depthwise"
    return ConvNorm(channels, inner, kernel, stride, depthwise=depthwise, act=op.act), inner


def _spatial(unit: Unit, channels: int) -> tuple[list[nn.Module], int]:
    layers: list[nn.Module] = []
    if unit.spatial is None:
        return layers, channels
    if unit.reduce:
        layers.append(ConvNorm(channels, unit.reduce, act=unit.spatial.act))
        channels = unit.reduce
    op = unit.spatial
    size, stride = (op.kernel, op.kernel), (op.stride, op.stride)
    layer, channels = _layer(op, channels, unit.inner, size, stride)
    return [*layers, layer], channels
