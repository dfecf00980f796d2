"""Convolutions over time, against plain 3D ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.frames import clip_to_frames
from vidnas.layers.spacetime import SpaceTimeConv, convolve
from vidnas.layers.temporal import TimeConv, TimeConvNorm

DILATIONS = [1, 2, 3, 4, 8]
FRAMES = [1, 2, 3, 7, 8]


def clip_of(frames: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 3, frames, 5, 4)


def to_clip(x: Tensor, frames: int) -> Tensor:
    return x.unflatten(0, (-1, frames)).transpose(1, 2)


@pytest.mark.parametrize("dilation", DILATIONS)
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_dilated_kernel_skips_frames(length: int, frames: int, dilation: int) -> None:
    clip, conv = clip_of(frames), TimeConv(3, 6, length, dilation)
    out = conv(clip_to_frames(clip), frames)
    padding = (dilation * (length // 2), 0, 0)
    expected = F.conv3d(clip, conv.weight[..., None], None, 1, padding, (dilation, 1, 1))
    torch.testing.assert_close(to_clip(out, frames), expected, rtol=1e-5, atol=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dilation", DILATIONS)
@pytest.mark.parametrize("frames", FRAMES)
def test_dilation_of_a_space_time_convolution(frames: int, dilation: int) -> None:
    clip, conv = clip_of(frames), SpaceTimeConv(3, 6, (3, 3, 3), (1, 1, 1), dilation)
    out, frames_out = conv(clip_to_frames(clip), frames)
    padding = (dilation, 1, 1)
    expected = F.conv3d(clip, conv.weight, None, 1, padding, (dilation, 1, 1))
    assert frames_out == frames
    torch.testing.assert_close(to_clip(out, frames), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_dilation_and_stride_in_time(frames: int, stride: int) -> None:
    clip, weight, dilation = clip_of(frames), torch.randn(6, 3, 5, 1, 1), 2
    out, frames_out = convolve(clip_to_frames(clip), frames, weight, (stride, 1, 1), dilation)
    reach = 4 * dilation + 1
    total = max((-(-frames // stride) - 1) * stride + reach - frames, 0)
    padded = F.pad(clip, (0, 0, 0, 0, total // 2, total - total // 2))
    expected = F.conv3d(padded, weight, None, (stride, 1, 1), 0, (dilation, 1, 1))
    torch.testing.assert_close(to_clip(out, frames_out), expected, rtol=1e-5, atol=1e-5)


def test_taps_that_only_see_padding_get_a_gradient_of_zero() -> None:
    conv = TimeConv(3, 4, 3, dilation=4)
    conv(clip_to_frames(clip_of(4)), 4).square().sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad[:, :, [0, 2]].abs().max() == 0
    assert conv.weight.grad[:, :, 1].abs().min() > 0


def test_norm_sees_no_added_frames() -> None:
    clip, layer = clip_of(7), TimeConvNorm(3, 4, 3, dilation=4)
    out = layer(clip_to_frames(clip), 7)
    plain = nn.BatchNorm3d(4)(
        F.conv3d(clip, layer.conv.weight[..., None], None, 1, (4, 0, 0), (4, 1, 1))
    )
    torch.testing.assert_close(to_clip(out, 7), plain.relu(), rtol=1e-4, atol=1e-5)
