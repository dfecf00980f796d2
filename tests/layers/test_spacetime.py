"""Space-time convolutions and poolings, against plain formulas on `(N, C, T, H, W)`."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.frames import clip_to_frames
from vidnas.layers.itgm import ITGMConv
from vidnas.layers.pooling import Pooling
from vidnas.layers.spacetime import (
    Profile,
    Size,
    SpaceTimeConv,
    SpaceTimePool,
    TwoPlusOneConv,
)

KERNELS: list[Size] = [(1, 1, 1), (1, 3, 3), (3, 3, 3), (4, 1, 1), (5, 2, 4), (11, 3, 3)]
STRIDES: list[Size] = [(1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 1, 1), (3, 1, 2)]
FRAMES = [1, 2, 5, 8]
CASES = list(itertools.product(KERNELS, STRIDES, FRAMES))
PROFILES: list[Profile] = ["evanet", "cauchy", "gaussian"]


def clips(frames: int, channels: int = 3) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, channels, frames, 7, 10)


def run(layer: nn.Module, clip: Tensor) -> Tensor:
    x, frames = layer(clip_to_frames(clip), clip.shape[2])
    return x.unflatten(0, (-1, frames)).transpose(1, 2)


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def same_conv3d(clip: Tensor, weight: Tensor, stride: Size) -> Tensor:
    sizes = zip(clip.shape[2:], weight.shape[2:], stride, strict=True)
    sides = [padding(*axis) for axis in sizes]
    padded = F.pad(clip, [side for pair in reversed(sides) for side in pair])
    return F.conv3d(padded, weight, stride=stride)


@pytest.mark.parametrize("exporting", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "frames"), CASES)
def test_convolution_is_a_3d_convolution(
    kernel: Size, stride: Size, frames: int, exporting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, clip = SpaceTimeConv(3, 4, kernel, stride), clips(frames)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: exporting)
    with torch.no_grad():
        torch.testing.assert_close(run(layer, clip), same_conv3d(clip, layer.weight, stride))


def test_what_sees_only_padding_is_not_exported() -> None:
    from vidnas.layers.spacetime import _stack_taps

    x, frames, taps = _stack_taps(torch.ones(4, 1, 2, 2), 2, length=11, stride=1)
    assert (x.shape, frames, taps) == ((4, 3, 2, 2), 2, slice(4, 7))


@pytest.mark.parametrize(("kernel", "stride", "frames"), CASES)
def test_two_plus_one_convolves_over_time_first(kernel: Size, stride: Size, frames: int) -> None:
    layer, clip = TwoPlusOneConv(3, 6, kernel, stride).eval(), clips(frames)
    over_time = layer.time.layer
    assert isinstance(over_time.conv, nn.Conv2d)
    middle = same_conv3d(clip, over_time.conv.weight[..., None], (stride[0], 1, 1))
    assert middle.shape[1] == 3
    middle = torch.relu(middle / math.sqrt(1 + 1e-5))  # a fresh batch norm
    expected = same_conv3d(middle, layer.space.weight[:, :, None], (1, *stride[1:]))
    with torch.no_grad():
        torch.testing.assert_close(run(layer, clip), expected)


def test_inner_batch_norm_of_two_plus_one_trains() -> None:
    layer = TwoPlusOneConv(3, 6, (3, 3, 3), (1, 1, 1))
    norm = layer.time.layer.norm
    assert isinstance(norm, nn.BatchNorm2d)
    run(layer, 5 + clips(4)).square().sum().backward()
    assert norm.running_mean is not None
    assert norm.running_mean.abs().min() > 0
    assert all(weight.grad.abs().sum() > 0 for weight in norm.parameters())


@pytest.mark.parametrize("kind", ["maxpool", "avgpool"])
@pytest.mark.parametrize(("kernel", "stride", "frames"), CASES)
def test_pooling_counts_valid_elements_only(
    kind: Pooling, kernel: Size, stride: Size, frames: int
) -> None:
    clip = clips(frames) - 5  # negative: a zero pad would win a maximum
    pooled = run(SpaceTimePool(kind, kernel, stride), clip).numpy()
    windows = []
    for size, length, step in zip(clip.shape[2:], kernel, stride, strict=True):
        before, _ = padding(size, length, step)
        starts = range(-before, size - before, step)
        windows.append([slice(max(start, 0), start + length) for start in starts])
    assert pooled.shape[2:] == tuple(len(axis) for axis in windows)
    reduce = np.max if kind == "maxpool" else np.mean
    for (t, over_t), (h, over_h), (w, over_w) in itertools.product(*map(enumerate, windows)):
        window = clip.numpy()[:, :, over_t, over_h, over_w]
        expected = reduce(window, axis=(2, 3, 4)) if window.size else np.full((2, 3), np.nan)
        np.testing.assert_allclose(pooled[:, :, t, h, w], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        SpaceTimeConv(8, 8, (3, 3, 3), (1, 1, 1)),
        SpaceTimeConv(8, 8, (1, 3, 3), (2, 2, 2)),
        TwoPlusOneConv(8, 8, (3, 3, 3), (2, 2, 2)),
        ITGMConv(8, 8, (5, 3, 3), (1, 2, 2)),
        SpaceTimePool("maxpool", (3, 3, 3), (2, 2, 2)),
        SpaceTimePool("avgpool", (7, 3, 3), (1, 1, 1)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_channels_last_survives(layer: nn.Module) -> None:
    x, _ = layer(clip_to_frames(clips(6, channels=8)), 6)
    assert x.is_contiguous(memory_format=torch.channels_last)


def profile_of(name: Profile, length: int, center: float, gamma: float) -> list[float]:
    """The formulas, one number after the other."""
    mean = (length - 1) * (math.tanh(center) + 1) / 2
    width = math.exp(1.5 - 2 * abs(math.tanh(gamma)))
    values = [
        {
            "evanet": 1 / (math.pi * width * ((time - mean) / width) ** 2 + 1),
            "cauchy": 1 / (math.pi * width * (((time - mean) / width) ** 2 + 1)),
            "gaussian": math.exp(-((time - mean) ** 2) / (2 * math.exp(gamma))),
        }[name]
        for time in range(length)
    ]
    return [value / (sum(values) + 1e-6) for value in values]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("kernel", "stride", "frames"), [case for case in CASES if case[0][0] > 1])
def test_itgm_is_a_3d_convolution_with_a_mixture_of_profiles(
    profile: Profile, kernel: Size, stride: Size, frames: int
) -> None:
    torch.manual_seed(0)
    layer = ITGMConv(3, 5, kernel, stride, profile=profile)
    pairs = list(zip(layer.center.tolist(), layer.gamma.tolist(), strict=True))
    curves = torch.tensor([profile_of(profile, kernel[0], *pair) for pair in pairs])
    shares = torch.softmax(layer.mixture, dim=1)
    mixed = torch.einsum("opi,pt->oit", shares, curves)
    expected = mixed[..., None, None] * layer.weight[:, :, None]
    torch.testing.assert_close(layer.kernel(), expected)
    clip = clips(frames)
    torch.testing.assert_close(run(layer, clip), same_conv3d(clip, expected, stride))


def test_itgm_has_few_weights_for_any_length_and_all_learn() -> None:
    for length in (3, 11):
        layer = ITGMConv(6, 8, (length, 3, 3), (1, 1, 1))
        weights = sum(weight.numel() for weight in layer.parameters())
        assert weights == 6 * 8 * (9 + 4) + 2 * 4
        run(layer, clips(6, channels=6)).square().sum().backward()
        assert all(weight.grad.abs().sum() > 0 for weight in layer.parameters())


def test_itgm_builds_its_kernel_once_a_training_step_and_never_in_inference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, built = ITGMConv(3, 4, (5, 3, 3), (1, 1, 1)), []
    build = layer.kernel
    monkeypatch.setattr(layer, "kernel", lambda: built.append(1) or build())
    run(layer, clips(6))
    assert len(built) == 1
    layer.eval()
    built.clear()
    with torch.no_grad():
        first, second = run(layer, clips(6)), run(layer, clips(6))
    assert not built
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, run(layer.train(), clips(6)))


def test_folded_itgm_follows_its_weights() -> None:
    layer, other = (ITGMConv(3, 4, (5, 3, 3), (1, 1, 1)).eval() for _ in range(2))
    with torch.inference_mode():
        expected, before = run(other, clips(6)), run(layer, clips(6))
    assert not torch.allclose(before, expected)
    layer.load_state_dict(other.state_dict())
    copied = copy.deepcopy(layer)
    for loaded in (layer, copied):
        with torch.inference_mode():
            torch.testing.assert_close(run(loaded, clips(6)), expected)
    with torch.no_grad():
        layer.weight.mul_(2)
        torch.testing.assert_close(run(layer, clips(6)), 2 * expected)
        torch.testing.assert_close(run(layer.double(), clips(6).double()).float(), 2 * expected)
    assert "folded" not in layer.state_dict()


def test_itgm_in_evaluation_mode_passes_gradients_where_they_are_asked_for() -> None:
    layer = ITGMConv(3, 4, (5, 3, 3), (1, 1, 1)).eval()
    run(layer, clips(6)).sum().backward()
    assert all(weight.grad is not None for weight in layer.parameters())
