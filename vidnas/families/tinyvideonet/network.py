"""Tiny Video Networks as modules, in the formulation of frames as a batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from vidnas.families.base import Network, OfficialVariable
from vidnas.families.tinyvideonet.unit import Operation, Unit
from vidnas.families.variables import norm_variables, permuted, vector
from vidnas.layers.activation import activate
from vidnas.layers.attention import NonLocal
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import OverTime, clip_to_frames, per_frame, use_channels_last
from vidnas.layers.gates import ContextGate, SqueezeExcite
from vidnas.layers.head import ClassifierHead
from vidnas.layers.pooling import SamePool2d

if TYPE_CHECKING:
    from vidnas.families.tinyvideonet.architecture import TinyVideoNet


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
            layer, channels = _layer(unit.temporal, channels, unit.inner, over_time=True)
            self.temporal = OverTime(layer)
        self.expand = ConvNorm(channels, unit.expand) if unit.expand else nn.Identity()
        self.squeeze_excite = SqueezeExcite(unit.width, unit.hidden) if unit.hidden else None
        self.context_gate = ContextGate(unit.width) if unit.context_gate else None
        self.narrow = ConvNorm(unit.width, unit.narrow) if unit.narrow else nn.Identity()
        self.skip: nn.Module = nn.Identity()
        if unit.skip == "projection":
            space = unit.skip_stride[1]
            self.skip = ConvNorm(unit.entry.channels, unit.exit.channels, stride=(space, space))
        self.non_local = NonLocal(unit.exit.channels, unit.non_local) if unit.non_local else None

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T'`."""
        entry, entry_frames = x, frames
        x = self.spatial(self.widen(x))
        if self.temporal is not None:
            x, frames = self.temporal(x, frames)
        x = self.expand(x)
        if self.squeeze_excite is not None:
            x = self.squeeze_excite(x, frames)
        if self.context_gate is not None:
            x = self.context_gate(x, frames)
        x = self.narrow(x)
        if self.unit.skip != "none":
            x = x + self.skip(_every(entry, entry_frames, self.unit.skip_stride[0]))
        x = activate(x, self.unit.act)
        if self.non_local is not None:
            x = self.non_local(x, frames)
        return x, frames

    def official_variables(self, scope: str) -> Iterator[tuple[str, OfficialVariable]]:
        """Yield the original variables of this repeat by name."""
        temporal = self.temporal.layer if self.temporal is not None else None
        scopes: dict[str, Sequence[nn.Module | None]] = {
            f"{scope}/STConvs/Expand": [self.widen],
            f"{scope}/STConvs": [*self.spatial, temporal],
            f"{scope}/Expand": [self.expand],
            f"{scope}/SqueezeExcite": _dense_layers(self.squeeze_excite),
            f"{scope}/ContextGate": _dense_layers(self.context_gate),
            scope: [self.narrow],
            f"{scope}/Residual": [self.skip],
        }
        for name, layers in scopes.items():
            yield from _scope_variables(name, layers)


class TinyVideoNetwork(Network):
    """A chain of repeats and a classifier."""

    def __init__(self, architecture: TinyVideoNet, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.units = nn.ModuleList(TinyVideoUnit(unit) for unit in architecture.units)
        self.head = ClassifierHead(
            architecture.units[-1].exit.channels,
            num_classes,
            dropout=architecture.dropout,
            max_pool_predictions=architecture.max_pool_predictions,
        )
        use_channels_last(self)

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to logits `(N, num_classes)`, for any N, T, H and W."""
        frames = int(clip.shape[2])
        x = clip_to_frames(self.normalizations[0](clip))
        for unit in self.units:
            x, frames = unit(x, frames)
        logits: Tensor = self.head(x, frames)
        return logits

    def official_variables(self) -> dict[str, OfficialVariable]:
        """The variables of the published code (google-research/tiny_video_nets) by name."""
        variables: dict[str, OfficialVariable] = {}
        for unit in cast(Iterable[TinyVideoUnit], self.units):
            variables.update(unit.official_variables(unit.unit.name))
        dense = self.head.dense
        variables["dense/kernel"] = OfficialVariable(
            dense.weight, (dense.in_features, dense.out_features), lambda array: array.T
        )
        variables["dense/bias"] = vector(dense.bias)
        return variables


def _layer(
    op: Operation, channels: int, inner: int, *, over_time: bool = False
) -> tuple[nn.Module, int]:
    kernel = (op.kernel, 1) if over_time else (op.kernel, op.kernel)
    stride = (op.stride, 1) if over_time else (op.stride, op.stride)
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
    layer, channels = _layer(unit.spatial, channels, unit.inner)
    return [*layers, layer], channels


def _every(x: Tensor, frames: int, stride: int) -> Tensor:
    """Keep every `stride`-th of the frames in `(N * T, C, H, W)`."""
    return x if stride == 1 else per_frame(x, frames)[:, ::stride].flatten(0, 1)


def _dense_layers(gate: nn.Module | None) -> list[nn.Module | None]:
    return [] if gate is None else list(gate.children())


def _scope_variables(
    scope: str, layers: Sequence[nn.Module | None]
) -> Iterator[tuple[str, OfficialVariable]]:
    """Number the layers of one scope as the default names of the original code do."""
    convolutions = norms = 0
    for layer in layers:
        if isinstance(layer, nn.Linear):
            name = f"{scope}/conv2d{_suffix(convolutions)}"
            convolutions += 1
            shape = (1, 1, layer.in_features, layer.out_features)
            yield f"{name}/kernel", OfficialVariable(layer.weight, shape, lambda a: a[0, 0].T)
            yield f"{name}/bias", vector(layer.bias)
        elif isinstance(layer, ConvNorm):
            if layer.depthwise:
                name, order = f"{scope}/depthwise_kernel", (2, 3, 0, 1)
            else:
                name, order = f"{scope}/conv2d{_suffix(convolutions)}/kernel", (3, 2, 0, 1)
                convolutions += 1
            yield name, permuted(layer.conv.weight, order)
            yield from norm_variables(f"{scope}/batch_normalization{_suffix(norms)}", layer.norm)
            norms += 1


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""
