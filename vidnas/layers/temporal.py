"""Convolutions over time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.convolution import he_normal_
from vidnas.layers.frames import per_frame
from vidnas.layers.spans import Reach
from vidnas.layers.window import Window


class TimeConv(nn.Module):
    """Dilated convolution of odd length over time with SAME padding, without a bias.

    A clip of T frames is also one of `T / dilation` frames, each of `dilation` frames side by side:
    there the kernel is not dilated. In channels-last memory this view is free.
    """

    def __init__(self, in_channels: int, out_channels: int, length: int, dilation: int = 1) -> None:
        super().__init__()
        self.length, self.dilation = length, dilation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, length, 1))
        he_normal_(self.weight)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', H, W)`."""
        middle = self.length // 2
        if isinstance(x, Window):
            side = middle * self.dilation
            seen: Tensor = x.over_time(lambda x, n: (self(x, n), n), Reach(2 * side + 1, 1, side))
            return seen
        steps = -(-frames // self.dilation)
        reach = min(middle, steps - 1)  # taps further out only see padding
        weight = self.weight[:, :, middle - reach : middle + reach + 1]
        if reach == 0:
            return F.conv2d(x, weight)
        channels, height, width = (int(size) for size in x.shape[1:])
        padded, pixels = steps * self.dilation, height * width
        x = _with_frames(x, frames, padded)
        rows = x.reshape(-1, steps, self.dilation, channels, pixels).permute(0, 3, 1, 2, 4)
        plane = rows.reshape(-1, channels, steps, self.dilation * pixels)
        plane = F.conv2d(plane, weight, padding=(reach, 0))
        rows = plane.reshape(-1, len(weight), steps, self.dilation, pixels).permute(0, 2, 3, 1, 4)
        return _with_frames(rows.reshape(-1, len(weight), height, width), padded, frames)


def _with_frames(x: Tensor, frames: int, wanted: int) -> Tensor:
    """Cut `(N * T, C, H, W)` off, or add zeros, to the wanted T."""
    if frames == wanted:
        return x
    # Channels moved last, as they lie in memory: copied, they stay so.
    clip = per_frame(x.permute(0, 2, 3, 1), frames)
    return F.pad(clip, (0, 0, 0, 0, 0, 0, 0, wanted - frames)).flatten(0, 1).permute(0, 3, 1, 2)


class TimeConvNorm(nn.Module):
    """Convolution over time, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, length: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = TimeConv(in_channels, out_channels, length, dilation)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, C', H, W)`."""
        return F.relu(self.norm(self.conv(x, frames)), inplace=True)
