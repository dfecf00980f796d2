"""Layers that know about time, against plain formulas on `(N, C, T, H, W)`."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidnas.layers.attention import NonLocal
from vidnas.layers.convolution import SameConv2d
from vidnas.layers.frames import OverTime, clip_to_frames, mean_over_clip
from vidnas.layers.gates import ContextGate, SqueezeExcite
from vidnas.layers.head import ClassifierHead

CLIP = (2, 6, 5, 4, 3)


def frames_to_clip(x: Tensor, frames: int) -> Tensor:
    return x.unflatten(0, (-1, frames)).transpose(1, 2)


@pytest.fixture
def clip() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(CLIP)


def test_clip_to_frames_and_back(clip: Tensor) -> None:
    frames = clip_to_frames(clip)
    assert frames.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(frames_to_clip(frames, 5), clip)


def test_clip_in_the_memory_order_of_video_files_is_not_copied() -> None:
    video = torch.randn(2, 5, 4, 3, 3)  # (N, T, H, W, C)
    frames = clip_to_frames(video.permute(0, 4, 1, 2, 3))
    assert frames.data_ptr() == video.data_ptr()


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2), (3, 3), (1, 1)])
def test_temporal_convolution_equals_conv3d(clip: Tensor, kernel: int, stride: int) -> None:
    conv = SameConv2d(6, 8, (kernel, 1), (stride, 1))
    x, frames = OverTime(conv)(clip_to_frames(clip), 5)
    before = max((math.ceil(5 / stride) - 1) * stride + kernel - 5, 0)
    padded = F.pad(clip, (0, 0, 0, 0, before // 2, before - before // 2))
    expected = F.conv3d(padded, conv.weight.unsqueeze(-1), stride=(stride, 1, 1))
    assert frames == expected.shape[2]
    torch.testing.assert_close(frames_to_clip(x, frames), expected)


def test_the_plane_of_time_and_pixels_is_a_view(clip: Tensor) -> None:
    x = clip_to_frames(clip)
    same, _ = OverTime(torch.nn.Identity())(x, 5)
    assert same.data_ptr() == x.data_ptr()


def test_mean_over_clip(clip: Tensor) -> None:
    torch.testing.assert_close(mean_over_clip(clip_to_frames(clip), 5), clip.mean((2, 3, 4)))


def test_context_gate(clip: Tensor) -> None:
    gate = ContextGate(6)
    out = frames_to_clip(gate(clip_to_frames(clip), 5), 5)
    scale = torch.sigmoid(gate.gate(clip.mean((2, 3, 4))))
    torch.testing.assert_close(out, clip * scale[:, :, None, None, None])


def test_squeeze_excite(clip: Tensor) -> None:
    gate = SqueezeExcite(6, 8)
    out = frames_to_clip(gate(clip_to_frames(clip), 5), 5)
    scale = torch.sigmoid(gate.excite(torch.relu(gate.squeeze(clip.mean((2, 3, 4))))))
    torch.testing.assert_close(out, clip * scale[:, :, None, None, None])


def test_new_non_local_block_is_the_identity_and_learns(clip: Tensor) -> None:
    block = NonLocal(6, 4)
    x = clip_to_frames(clip)
    torch.testing.assert_close(block(x, 5), x)
    block(x, 5).square().sum().backward()
    gradient = block.project.norm.weight.grad
    assert gradient is not None
    assert gradient.abs().min() > 0


def test_non_local_block_attends_over_time_and_space(clip: Tensor) -> None:
    block = NonLocal(6, 4).eval()
    torch.nn.init.ones_(block.project.norm.weight)
    x = clip_to_frames(clip)
    query = frames_to_clip(block.query(x), 5).flatten(2).transpose(1, 2)
    pooled = frames_to_clip(block.pool(block.key_value(x)), 5)
    key, value = pooled.flatten(2).transpose(1, 2).chunk(2, dim=-1)
    attended = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(4), dim=-1) @ value
    attended = attended.transpose(1, 2).reshape(2, 4, *CLIP[2:])
    expected = clip + frames_to_clip(block.project(clip_to_frames(attended)), 5)
    torch.testing.assert_close(frames_to_clip(block(x, 5), 5), expected)


def test_gates_and_attention_keep_clips_apart(clip: Tensor) -> None:
    other = clip.clone()
    other[1] += 1
    for layer in (ContextGate(6), SqueezeExcite(6, 8), NonLocal(6, 4).eval()):
        if isinstance(layer, NonLocal):
            torch.nn.init.ones_(layer.project.norm.weight)
        first, second = (layer(clip_to_frames(c), 5)[:5] for c in (clip, other))
        torch.testing.assert_close(first, second)


def test_soft_maximum_of_the_frames_logits(clip: Tensor) -> None:
    head = ClassifierHead(6, 7, dropout=0.5, max_pool_predictions=True).eval()
    torch.nn.init.normal_(head.dense.weight)
    z = head.dense(clip.mean((3, 4)).transpose(1, 2))  # (N, T, classes)
    expected = (z * torch.softmax(z / math.sqrt(5), dim=1)).sum(1)
    torch.testing.assert_close(head(clip_to_frames(clip), 5), expected)


def test_mean_head(clip: Tensor) -> None:
    head = ClassifierHead(6, 7, dropout=0.5).eval()
    expected = head.dense(clip.mean((2, 3, 4)))
    torch.testing.assert_close(head(clip_to_frames(clip), 5), expected)
