"""Stems and modules of AssembleNet, on clips as batches of frames."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.convolution import ConvNorm, he_normal_
from vidnas.layers.pooling import SamePool2d
from vidnas.layers.temporal import TimeConvNorm


class SpaceConvNorm(nn.Module):
    """Convolution over space, padded alike on all sides whatever the stride; batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False
        )
        he_normal_(self.conv.weight)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C', ceil(H / s), ceil(W / s))`."""
        return F.relu(self.norm(self.conv(x)), inplace=True)


class ClipStem(nn.Module):
    """7x7 convolution of stride 2, convolution over time, max-pool of stride 2."""

    def __init__(self, in_channels: int, channels: int, *, dilation: int | None, pool: int) -> None:
        """Have no convolution over time where `dilation` is None."""
        super().__init__()
        self.space = SpaceConvNorm(in_channels, channels, 7, stride=2)
        self.time = None if dilation is None else TimeConvNorm(channels, channels, 5, dilation)
        self.pool = SamePool2d("maxpool", (pool, pool), (2, 2))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', ceil(H / 4), ceil(W / 4))`."""
        x = self.space(x)
        x = x if self.time is None else self.time(x, frames)
        pooled: Tensor = self.pool(x)
        return pooled


class ObjectStem(nn.Module):
    """Max-pool of object maps, to the size of the other streams."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.pool = SamePool2d("maxpool", (stride, stride), (stride, stride))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C, ceil(H / s), ceil(W / s))`."""
        pooled: Tensor = self.pool(x)
        return pooled


class Bottleneck(nn.Module):
    """1x1 convolution or one over time, 3x3 convolution, 1x1 convolution; beside a shortcut."""

    def __init__(
        self,
        channels: int,
        filters: tuple[int, int, int],
        *,
        stride: int,
        dilation: int | None,
        projected: bool,
    ) -> None:
        """Convolve over time first where there is a dilation."""
        super().__init__()
        first, middle, last = filters
        length = 1 if dilation is None else 3
        self.reduce = TimeConvNorm(channels, first, length, dilation or 1)
        self.space = SpaceConvNorm(first, middle, 3, stride)
        self.expand = ConvNorm(middle, last)
        self.shortcut = shortcut(channels, last, stride) if projected else nn.Identity()
        nn.init.zeros_(self.expand.norm.weight)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', ceil(H / s), ceil(W / s))`."""
        branch: Tensor = self.expand(self.space(self.reduce(x, frames)))
        return F.relu(branch.add_(self.shortcut(x)), inplace=True)


def shortcut(in_channels: int, out_channels: int, stride: int) -> ConvNorm:
    """What stands beside the first module of a block."""
    return ConvNorm(in_channels, out_channels, stride=(stride, stride))
