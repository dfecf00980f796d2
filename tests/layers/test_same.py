"""SAME padding, convolution and pooling against the definition, written out in numpy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vidnas.layers import padding
from vidnas.layers.convolution import ConvNorm, SameConv2d, he_normal_
from vidnas.layers.padding import same_padding
from vidnas.layers.pooling import SamePool2d

CASES = list(itertools.product((1, 2, 3, 4, 5, 7), (1, 2, 3, 4), (1, 2, 5, 8)))


def windows(size: int, kernel: int, stride: int) -> list[range]:
    """Input positions that each output sees, out-of-range ones left out."""
    out = math.ceil(size / stride)
    before = max((out - 1) * stride + kernel - size, 0) // 2
    starts = [i * stride - before for i in range(out)]
    return [range(max(s, 0), min(s + kernel, size)) for s in starts]


@pytest.mark.parametrize(("kernel", "stride", "size"), CASES)
def test_padding_gives_ceil_of_size_over_stride(kernel: int, stride: int, size: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert (size + before + after - kernel) // stride + 1 == math.ceil(size / stride)
    assert after - before in (0, 1)


@pytest.mark.parametrize(("kernel", "stride", "size"), CASES)
def test_windows_are_those_of_the_definition(kernel: int, stride: int, size: int) -> None:
    expected = [(one.start, one.stop) for one in windows(size, kernel, stride)]
    assert [*padding.windows(size, kernel, stride)] == expected


@pytest.mark.parametrize("kind", ["maxpool", "avgpool"])
@pytest.mark.parametrize(("kernel", "stride", "size"), CASES)
def test_pooling_counts_valid_elements_only(kind: str, kernel: int, stride: int, size: int) -> None:
    width = size + 3
    x = torch.randn(2, 3, size, width) - 5  # negative: a zero pad would win a maximum
    pool = SamePool2d(kind, (kernel, kernel), (stride, stride))  # type: ignore[arg-type]
    reduce = np.max if kind == "maxpool" else np.mean
    expected = np.stack(
        [
            np.stack(
                [
                    reduce(x.numpy()[:, :, list(rows)][:, :, :, list(columns)], axis=(2, 3))
                    if len(rows) and len(columns)
                    else np.full((2, 3), np.nan)
                    for columns in windows(width, kernel, stride)
                ],
                axis=-1,
            )
            for rows in windows(size, kernel, stride)
        ],
        axis=-2,
    )
    np.testing.assert_allclose(pool(x).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("kernel", "stride", "size"), CASES)
def test_convolution_pads_the_extra_zero_after(kernel: int, stride: int, size: int) -> None:
    x = torch.randn(2, 3, size, size)
    conv = SameConv2d(3, 4, (kernel, kernel), (stride, stride))
    before, after = same_padding(size, kernel, stride)
    padded = F.pad(x, (before, after, before, after))
    torch.testing.assert_close(conv(x), F.conv2d(padded, conv.weight, stride=stride))


def test_channels_last_survives_a_layer() -> None:
    x = torch.randn(4, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    layers = [
        ConvNorm(8, 8, (4, 4), (2, 2), act="relu"),
        SamePool2d("maxpool", (3, 3), (2, 2)),
        SamePool2d("avgpool", (2, 2), (1, 1)),
    ]
    for layer in layers:
        assert layer(x).is_contiguous(memory_format=torch.channels_last)


def test_he_normal_has_the_variance_of_its_fan_in_and_no_tail() -> None:
    torch.manual_seed(0)
    weight = torch.empty(512, 64, 3, 3)
    he_normal_(weight)
    deviation = math.sqrt(2 / (64 * 9))
    assert weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=deviation / 100)
    assert weight.abs().max().item() <= 2 * math.sqrt(1.3) * deviation + 1e-6


def test_he_normal_of_a_depthwise_kernel_counts_its_pixels() -> None:
    torch.manual_seed(0)
    conv = SameConv2d(4096, 4096, (3, 3), groups=4096)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.02)
