"""Layers over time that see each frame and those before it, or zeros where there are none."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.activation import Activation, activate
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import OverTime, over_time
from vidnas.layers.pooling import Pooling
from vidnas.layers.window import Window


class OverPast(OverTime):
    """Applies a layer to the plane of time and pixels, whose kernel `(k, 1)` ends with each frame.
    Where it strides, it sees the newest frame and every `s`-th one before.

    In a stream, zeros are only before its beginning.
    """

    def __init__(self, layer: nn.Module, length: int, stride: int) -> None:
        """Apply a layer that does not pad."""
        super().__init__(layer)
        self.length, self.stride = length, stride

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H, W)` and `T' = ceil(T / s)`."""
        if isinstance(x, Window):
            seen: Tensor = x.over_past(self._whole, self.length, self.stride)
            return seen, -(-frames // self.stride)
        return over_time(self._padded, x, frames)

    def newest(self, x: Tensor) -> Tensor:
        """`(k, C, H, W)` to `(1, C', H, W)`: what the layer makes of the frames of one kernel."""
        return over_time(self.layer, x, self.length)[0]

    def _whole(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        if frames == self.length:
            return self.newest(x), 1
        return over_time(self.layer, x, frames)

    def _padded(self, plane: Tensor) -> Tensor:
        frames = int(plane.shape[2])
        before = (-(-frames // self.stride) - 1) * self.stride + self.length - frames
        padded: Tensor = self.layer(F.pad(plane, (0, 0, before, 0)))
        return padded


class ConvOverPast(OverPast):
    """Convolution, batch norm and activation."""

    layer: ConvNorm

    def __init__(
        self, in_channels: int, out_channels: int, length: int, stride: int, act: Activation
    ) -> None:
        conv = ConvNorm(in_channels, out_channels, (length, 1), (stride, 1), act=act, padded=False)
        super().__init__(conv, length, stride)

    def newest(self, x: Tensor) -> Tensor:
        """As one point-wise convolution of the frames side by side on the channels, which moves
        nothing in memory: `(k, C, H, W)` to `(1, C', H, W)`."""
        height, width = int(x.shape[2]), int(x.shape[3])
        weight = self.layer.conv.weight.transpose(1, 2).flatten(1)[:, :, None, None]
        stacked = F.conv2d(x.reshape(1, -1, height, width), weight)
        x = self.layer.norm(stacked)
        return x if self.layer.act is None else activate(x, self.layer.act)


class PoolOverPast(OverPast):
    """Maximum or mean of the frames of each kernel."""

    def __init__(self, kind: Pooling, length: int, stride: int) -> None:
        pool = nn.MaxPool2d if kind == "maxpool" else nn.AvgPool2d
        super().__init__(pool((length, 1), (stride, 1)), length, stride)
        self.kind = kind

    def newest(self, x: Tensor) -> Tensor:
        """`(k, C, H, W)` to `(1, C, H, W)`."""
        return x.amax(0, keepdim=True) if self.kind == "maxpool" else x.mean(0, keepdim=True)
