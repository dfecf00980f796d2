"""Max-pooling to any smaller size, for feature maps that are to be fused."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vidnas.layers.frames import over_time
from vidnas.layers.spans import Reach
from vidnas.layers.window import Window


def shrink(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Max-pool `(N, C, H, W)` to a size that is at most its own, `(N, C, *size)`.

    Window i of an axis of n elements reaches from `floor(i n / out)` to `ceil((i + 1) n / out)`:
    they lie side by side where `out` divides n, and overlap otherwise.
    """
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_max_pool2d(x, size)
    # ONNX has no adaptive pooling: copy what windows share, and pool them side by side.
    window = []
    for axis, out in zip((2, 3), size, strict=True):
        taken, longest = _side_by_side(int(x.shape[axis]), out)
        window.append(longest)
        if len(taken) > int(x.shape[axis]):
            x = x.index_select(axis, torch.tensor(taken))
    return F.max_pool2d(x, window)


def shorten(x: Tensor, frames: int, fewer: int) -> Tensor:
    """Max-pool clips `(N * frames, C, H, W)` over time to `(N * fewer, C, H, W)`."""
    if frames == fewer:
        return x
    if isinstance(x, Window) and frames % fewer == 0:
        window = frames // fewer
        shorter: Tensor = x.over_time(
            lambda x, n: (shorten(x, n, n // window), n // window), Reach(window, window, 0)
        )
        return shorter
    return over_time(lambda plane: shrink(plane, (fewer, int(plane.shape[3]))), x, frames)[0]


def _side_by_side(n: int, out: int) -> tuple[list[int], int]:
    """Elements of all windows one after the other, each as many as the longest window has."""
    windows = [range(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]
    longest = max(map(len, windows))
    # The last element of a shorter window fills it up, which does not change its maximum.
    return [min(w.start + i, w.stop - 1) for w in windows for i in range(longest)], longest
