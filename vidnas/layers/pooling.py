"""Pooling with SAME padding, in which padded elements do not count."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.padding import pad_same, same_padding

Pooling = Literal["maxpool", "avgpool"]
_Pair = tuple[int, int]


def max_pool(x: Tensor, kernel: _Pair, stride: _Pair) -> Tensor:
    """`(N, C, H, W)` to `(N, C, ceil(H / s), ceil(W / s))`."""
    kernel, stride = _fitting(x, kernel, stride)
    if (before := _sticking_out(x, kernel, stride)) and not torch.onnx.is_in_onnx_export():
        return F.max_pool2d(x, kernel, stride, before, ceil_mode=True)
    x, padding = pad_same(x, kernel, stride, value=float("-inf"))
    return F.max_pool2d(x, kernel, stride, padding)


class SamePool2d(nn.Module):
    """`(N, C, H, W)` to `(N, C, ceil(H / s), ceil(W / s))`, over the valid elements."""

    def __init__(self, kind: Pooling, kernel: _Pair, stride: _Pair) -> None:
        super().__init__()
        self.kind = kind
        self.kernel, self.stride = kernel, stride

    @property
    def same_window(self) -> tuple[int, int]:
        """Length and stride of the windows along the first axis, where SAME padding is."""
        return self.kernel[0], self.stride[0]

    def forward(self, x: Tensor) -> Tensor:
        """Pool each window."""
        if self.kind == "maxpool":
            return max_pool(x, self.kernel, self.stride)
        return average_pool(x, self.kernel, self.stride)


def average_pool(x: Tensor, kernel: _Pair, stride: _Pair) -> Tensor:
    """`(N, C, H, W)` to `(N, C, ceil(H / s), ceil(W / s))`."""
    kernel, stride = _fitting(x, kernel, stride)
    sizes = int(x.shape[2]), int(x.shape[3])
    axes = list(zip(sizes, kernel, stride, strict=True))
    x, padding = pad_same(x, kernel, stride)
    pooled = F.avg_pool2d(x, kernel, stride, padding)
    if all(same_padding(*axis) == (0, 0) for axis in axes):
        return pooled
    # Padded zeros were counted. Not every runtime has a mean that leaves them out.
    rows, columns = (_valid(*axis, like=pooled) for axis in axes)
    return pooled / (rows[:, None] * columns)


def _fitting(x: Tensor, kernel: _Pair, stride: _Pair) -> tuple[_Pair, _Pair]:
    """Return the windows with those made smaller that are alone on an axis and longer than it.

    They see the same, and OpenVINO takes no window that is longer than what it slides over.
    """
    sizes = int(x.shape[2]), int(x.shape[3])
    axes = [
        (n, n) if n <= s and n < k else (k, s)
        for n, k, s in zip(sizes, kernel, stride, strict=True)
    ]
    (height, over_height), (width, over_width) = axes
    return (height, width), (over_height, over_width)


def _sticking_out(x: Tensor, kernel: _Pair, stride: _Pair) -> _Pair | None:
    """Return the padding before each axis if windows may stick out at the end instead, which saves
    padding a copy in torch; None if they need not, or one would start there."""
    sizes = int(x.shape[2]), int(x.shape[3])
    (top, bottom), (left, right) = (
        same_padding(*axis) for axis in zip(sizes, kernel, stride, strict=True)
    )
    axes = zip(sizes, kernel, stride, (top, left), strict=True)
    fits = all(-(-(n + 2 * p - k) // s) + 1 == -(-n // s) for n, k, s, p in axes)
    return (top, left) if fits and (top, left) != (bottom, right) else None


def _valid(size: int, kernel: int, stride: int, like: Tensor) -> Tensor:
    """Return the share of each window of an axis that is not padding, `(ceil(size / stride),)`.

    It is computed where `like` is: a GPU waits for copies from the host, and CUDA graphs have none.
    """
    before, _ = same_padding(size, kernel, stride)
    windows = torch.arange(-(-size // stride), dtype=like.dtype, device=like.device)
    starts = windows * stride - before
    return ((starts + kernel).clamp(max=size) - starts.clamp(min=0)) / kernel
