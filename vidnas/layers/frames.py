"""Clips as batches of frames, `(N * T, C, H, W)` in channels-last memory, and back to time.

All frames go through a 2D convolution at once, and channels-last memory makes every change of view
below free of copies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidnas.layers.padding import same_padding
from vidnas.layers.spans import Reach
from vidnas.layers.window import Window, WindowClip


def clip_to_frames(clip: Tensor) -> Tensor:
    """`(N, C, T, H, W)` to `(N * T, C, H, W)`."""
    if isinstance(clip, WindowClip):
        frames: Tensor = clip.frames(clip_to_frames)
        return frames
    channels, _, height, width = (int(size) for size in clip.shape[1:])
    frames = clip.transpose(1, 2).reshape(-1, channels, height, width)
    return frames.contiguous(memory_format=torch.channels_last)


def per_frame(x: Tensor, frames: int) -> Tensor:
    """`(N * T, ...)` to `(N, T, ...)`."""
    return x.reshape(-1, frames, *(int(size) for size in x.shape[1:]))


def mean_over_space(x: Tensor) -> Tensor:
    """`(N * T, C, H, W)` to `(N * T, C)`."""
    if torch.onnx.is_in_onnx_export():  # runtimes pool in the layout of their convolutions
        return functional.adaptive_avg_pool2d(x, 1).flatten(1)
    # Permuted first, so that the gradient is channels-last too.
    return x.permute(0, 2, 3, 1).mean((1, 2))


def mean_over_clip(x: Tensor, frames: int) -> Tensor:
    """`(N * T, C, H, W)` to the mean over time and space, `(N, C)`."""
    return per_frame(mean_over_space(x), frames).mean(1)


def scale_clip(x: Tensor, scale: Tensor, frames: int) -> Tensor:
    """Multiply all frames of a clip, `(N * T, C, H, W)`, by its `(N, C)`."""
    scaled = per_frame(x, frames) * scale[:, None, :, None, None]
    return scaled.reshape(-1, *(int(size) for size in x.shape[1:]))


def every(x: Tensor, frames: int, stride: int, *, newest: bool = False) -> Tensor:
    """Keep every `stride`-th of the frames in `(N * T, C, H, W)`, the first one among them; or the
    newest one."""
    if stride == 1:
        return x
    if newest:
        if isinstance(x, Window):
            newer: Tensor = x.over_past(lambda x, n: (x[::stride], 0), 1, stride)
            return newer
        return per_frame(x, frames)[:, (frames - 1) % stride :: stride].flatten(0, 1)
    if isinstance(x, Window):
        kept: Tensor = x.over_time(lambda x, n: (every(x, n, stride), 0), Reach(1, stride, 0))
        return kept
    return per_frame(x, frames)[:, ::stride].flatten(0, 1)


def use_channels_last(network: nn.Module) -> None:
    """Store 2D convolution kernels channels-last, as the frames of clips lie in memory.

    `Module.to(memory_format=...)` rejects networks that also hold 5D kernels.
    """
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def over_time(layer: Callable[[Tensor], Tensor], x: Tensor, frames: int) -> tuple[Tensor, int]:
    """Apply a 2D layer to the plane of time and pixels, `(N, C, T, H * W)`.

    `(N * T, C, H, W)` becomes `(N * T', C', H, W)` and `T'`.
    """
    if isinstance(x, Window) and (reach := reach_over_time(layer, frames)):
        return x.over_time(partial(over_time, layer), reach), -(-frames // reach.stride)
    channels, height, width = (int(size) for size in x.shape[1:])
    plane = layer(x.reshape(-1, frames, channels, height * width).transpose(1, 2))
    channels, frames = int(plane.shape[1]), int(plane.shape[2])
    return plane.transpose(1, 2).reshape(-1, channels, height, width), frames


def reach_over_time(layer: object, frames: int) -> Reach | None:
    """Return what a 2D layer sees of the times of such a plane; None where it does not say."""
    if isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str) and layer.padding[0]:
        return Reach(layer.kernel_size[0], layer.stride[0], layer.padding[0])
    if (layer := getattr(layer, "conv", layer)) and hasattr(layer, "same_window"):
        length, stride = layer.same_window
        return Reach(length, stride, same_padding(frames, length, stride)[0])
    return None


def last_frames(x: Tensor, frames: int, count: int) -> tuple[Tensor, int]:
    """Keep the last frames of longer clips in `(N * T, C, H, W)`, and their number."""
    if frames <= count:
        return x, frames
    return per_frame(x, frames)[:, -count:].flatten(0, 1), count


class OverTime(nn.Module):
    """Applies a 2D layer to the plane of time and pixels, so that a kernel `(k, 1)` spans time."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H, W)` and `T'`."""
        return over_time(self.layer, x, frames)
