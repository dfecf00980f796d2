"""SAME padding as TensorFlow defines it, for any kernel, stride and size."""

from __future__ import annotations

from functools import cache

import torch.nn.functional as F
from torch import Tensor


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after an axis, so that `out = ceil(size / stride)`.

    An odd total puts the extra element after (at the bottom, right or end).
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@cache
def windows(size: int, kernel: int, stride: int) -> tuple[tuple[int, int], ...]:
    """Return what each window sees of an axis: where it begins, and where it has ended."""
    before, _ = same_padding(size, kernel, stride)
    starts = range(-before, size - before, stride)
    return tuple((max(start, 0), min(start + kernel, size)) for start in starts)


def pad_same(
    x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float = 0.0
) -> tuple[Tensor, tuple[int, int]]:
    """Pad the last two axes of `(N, C, H, W)` only where the convolution cannot do it itself.

    Returns:
        The tensor, and the symmetric padding that is left for the convolution or the pooling.
    """
    # Tracing exporters see sizes as tensors; a network's padding is fixed for its input size.
    top, bottom = same_padding(int(x.shape[2]), kernel[0], stride[0])
    left, right = same_padding(int(x.shape[3]), kernel[1], stride[1])
    if top == bottom and left == right:
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)
