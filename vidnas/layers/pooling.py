"""Pooling with SAME padding, in which padded elements do not count."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.padding import pad_same, same_padding

Pooling = Literal["maxpool", "avgpool"]


def max_pool(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """`(N, C, H, W)` to `(N, C, ceil(H / s), ceil(W / s))`."""
    sizes = int(x.shape[2]), int(x.shape[3])
    sides = [same_padding(*axis) for axis in zip(sizes, kernel, stride, strict=True)]
    (top, bottom), (left, right) = sides
    if top != bottom or left != right:
        # A window may stick out at the end, which saves padding a copy, if none starts there.
        axes = zip(sizes, kernel, stride, (top, left), strict=True)
        if all(-(-(n + 2 * p - k) // s) + 1 == -(-n // s) for n, k, s, p in axes):
            return F.max_pool2d(x, kernel, stride, (top, left), ceil_mode=True)
    x, padding = pad_same(x, kernel, stride, value=float("-inf"))
    return F.max_pool2d(x, kernel, stride, padding)


class SamePool2d(nn.Module):
    """`(N, C, H, W)` to `(N, C, ceil(H / s), ceil(W / s))`, over the valid elements."""

    def __init__(self, kind: Pooling, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
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
        padded, padding = pad_same(x, self.kernel, self.stride)
        pooled = F.avg_pool2d(padded, self.kernel, self.stride, padding, count_include_pad=False)
        if padded is x:
            return pooled
        # The zeros padded on one side only were counted: undo that with the share of valid ones.
        ones = x.new_ones((1, 1, int(x.shape[2]), int(x.shape[3])))
        valid, _ = pad_same(ones, self.kernel, self.stride)
        return pooled / F.avg_pool2d(valid, self.kernel, self.stride)
