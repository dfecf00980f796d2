"""Stem, modules and head of AssembleNet++lite, with SAME padding everywhere."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.families.assemblenet.modules import shortcut
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.spacetime import SpaceTimeConv
from vidnas.layers.temporal import TimeConvNorm


class SpaceThenTime(nn.Module):
    """3x3 convolution with a stride, convolution over time; also the stem."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        self.space = ConvNorm(in_channels, channels, (3, 3), (stride, stride), act="relu")
        self.time = TimeConvNorm(channels, channels, 3, dilation)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', ceil(H / s), ceil(W / s))`."""
        out: Tensor = self.time(self.space(x), frames)
        return out


class SpaceTime(nn.Module):
    """3x3x3 convolution, dilated in time."""

    def __init__(self, in_channels: int, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = SpaceTimeConv(in_channels, channels, (3, 3, 3), (1, 1, 1), dilation)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', H, W)`."""
        x, _ = self.conv(x, frames)
        return F.relu(self.norm(x), inplace=True)


class InvertedBottleneck(nn.Module):
    """1x1 convolution, 3D convolution, 1x1 convolution; beside a shortcut.

    With a stride the 3D convolution is one over space and then one over time.
    """

    def __init__(
        self,
        channels: int,
        filters: tuple[int, int, int],
        *,
        stride: int,
        dilation: int,
        projected: bool,
    ) -> None:
        super().__init__()
        first, middle, last = filters
        self.widen = ConvNorm(channels, first, act="relu")
        self.space_time: nn.Module = SpaceTime(first, middle, dilation)
        if stride > 1:
            self.space_time = SpaceThenTime(first, middle, stride=stride, dilation=dilation)
        self.narrow = ConvNorm(middle, last)
        self.shortcut = shortcut(channels, last, stride) if projected else nn.Identity()
        nn.init.zeros_(self.narrow.norm.weight)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', ceil(H / s), ceil(W / s))`."""
        branch: Tensor = self.narrow(self.space_time(self.widen(x), frames))
        return F.relu(branch.add_(self.shortcut(x)), inplace=True)
