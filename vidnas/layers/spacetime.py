"""Space-time convolutions and poolings with SAME padding, on clips as batches of frames."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.convolution import (
    ConvNorm,
    SameConv2d,
    he_normal_,
    subsample,
)
from vidnas.layers.frames import OverTime, per_frame
from vidnas.layers.padding import pad_same, same_padding
from vidnas.layers.pooling import Pooling, SamePool2d
from vidnas.layers.spans import Reach
from vidnas.layers.window import Window

Profile = Literal["evanet", "cauchy", "gaussian"]
"""The temporal profile of iTGM layers: as in EvaNet's published code; a Cauchy distribution, as in
that of temporal Gaussian mixtures (TGM, Piergiovanni, Ryoo, ICML 2019); a Gaussian."""

Size = tuple[int, int, int]
"""The size of a kernel or stride in time, height and width."""


class SpaceTimeConv(nn.Module):
    """Full 3D convolution without a bias."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Size, stride: Size, dilation: int = 1
    ) -> None:
        """Dilate in time only, kernels of odd length."""
        super().__init__()
        self.stride, self.dilation = stride, dilation
        weight = torch.empty(out_channels, in_channels, *kernel)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last_3d))
        he_normal_(self.weight)

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T' = ceil(T / s)`."""
        return convolve(x, frames, self.weight, self.stride, self.dilation)


class TwoPlusOneConv(nn.Module):
    """(2+1)D convolution: over time to half the channels, batch norm, ReLU; then over space.

    The order and width are those of EvaNet's published code, in which the batch norm, though, is
    never trained.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: Size, stride: Size) -> None:
        super().__init__()
        middle = max(out_channels // 2, 1)
        self.time = OverTime(
            ConvNorm(in_channels, middle, (kernel[0], 1), (stride[0], 1), act="relu")
        )
        self.space = SameConv2d(middle, out_channels, kernel[1:], stride[1:])

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T' = ceil(T / s)`."""
        x, frames = self.time(x, frames)
        return self.space(x), frames


class SpaceTimePool(nn.Module):
    """Maximum, or mean over the valid elements, of windows in space and time."""

    def __init__(self, kind: Pooling, kernel: Size, stride: Size) -> None:
        super().__init__()
        # A window is a box, also where it is cut off: pooling over space and then time is exact.
        self.space = SamePool2d(kind, kernel[1:], stride[1:])
        self.time = OverTime(SamePool2d(kind, (kernel[0], 1), (stride[0], 1)))
        self.in_time = kernel[0] > 1 or stride[0] > 1

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C, H', W')` and `T' = ceil(T / s)`."""
        x = self.space(x)
        return self.time(x, frames) if self.in_time else (x, frames)


def convolve(
    x: Tensor, frames: int, weight: Tensor, stride: Size, dilation: int = 1
) -> tuple[Tensor, int]:
    """Convolve clips with SAME padding in time and space: one 2D convolution of stacked frames.

    oneDNN 3.12 corrupts memory in the backward pass of 3D convolutions with long kernels, in
    bfloat16 and in float32. This form takes the memory of its input once per tap.

    Args:
        x: `(N * T, C, H, W)`.
        frames: `T`.
        weight: `(C', C, t, h, w)`.
        stride: in time, height and width.
        dilation: in time, of kernels of odd length.

    Returns:
        `(N * T', C', H', W')` and `T' = ceil(T / s)`.
    """
    over_time, over_space = stride[0], stride[1:]
    if isinstance(x, Window):
        length = dilation * (int(weight.shape[2]) - 1) + 1
        reach = Reach(length, over_time, same_padding(frames, length, over_time)[0])
        convolved = partial(convolve, weight=weight, stride=stride, dilation=dilation)
        return x.over_time(convolved, reach), -(-frames // over_time)
    kernel = (int(weight.shape[3]), int(weight.shape[4]))
    if kernel == (1, 1):
        x, over_space = subsample(x, over_space)
    x, frames, taps = _stack_taps(x, frames, int(weight.shape[2]), over_time, dilation)
    weight = weight[:, :, taps].transpose(1, 2).flatten(1, 2)
    x, padding = pad_same(x, kernel, over_space)
    return F.conv2d(x, weight, None, over_space, padding), frames


def _stack_taps(
    x: Tensor, frames: int, length: int, stride: int, dilation: int = 1
) -> tuple[Tensor, int, slice]:
    """Put all frames that an output frame sees side by side on the channels.

    Returns:
        `(N * T', taps * C, H, W)`, `T'`, and the taps, of the kernel's `length`, that ever see a
        frame and not only padding: kernels may be longer than the clip.
    """
    out = -(-frames // stride)
    if length == 1:
        return (per_frame(x, frames)[:, ::stride].flatten(0, 1) if stride > 1 else x), out, slice(1)
    before, _ = same_padding(frames, dilation * (length - 1) + 1, stride)
    last = stride * (out - 1)  # where the window of the last output frame starts
    first = max(-((last - before) // dilation), 0)
    taps = range(first, min((before + frames - 1) // dilation + 1, length))
    left = before - dilation * taps.start
    right = max(last + dilation * taps[-1] - before - frames + 1, 0)
    # Channels moved last, as they lie in memory: stacked, they stay so.
    clip = F.pad(per_frame(x.permute(0, 2, 3, 1), frames), (0, 0, 0, 0, 0, 0, left, right))
    starts = range(0, dilation * len(taps), dilation)
    seen = [clip[:, start : start + last + 1 : stride] for start in starts]
    stacked = torch.cat(seen, dim=-1).flatten(0, 1).permute(0, 3, 1, 2)
    return stacked, out, slice(taps.start, taps.stop)
