"""Fusion of feature maps, against the formulas of the paper's section."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidnas.layers.fusion import WeightedFusion, max_pool_to


def maps(*shapes: tuple[int, int, int]) -> list[Tensor]:
    torch.manual_seed(0)
    layout = torch.channels_last
    return [torch.randn(6, *shape).contiguous(memory_format=layout) for shape in shapes]


def test_sums_of_equal_width_are_projected_to_the_fused_width() -> None:
    inputs = maps((4, 8, 12), (8, 4, 6), (4, 4, 6), (3, 8, 12))
    fusion = WeightedFusion([4, 8, 4, 3])
    pooled = [F.max_pool2d(x, 2) if x.shape[2] == 8 else x for x in inputs]
    weights = fusion.edge_weights.tolist()
    four = fusion.projections["4"](weights[0] * pooled[0] + weights[2] * pooled[2])
    expected = four + weights[1] * pooled[1] + fusion.projections["3"](weights[3] * pooled[3])
    torch.testing.assert_close(fusion(inputs), expected)
    assert list(fusion.projections) == ["4", "3"]  # in the order of first appearance
    assert fusion(inputs).is_contiguous(memory_format=torch.channels_last)


def test_fused_width_may_be_any() -> None:
    fusion = WeightedFusion([4, 8], 5)
    assert list(fusion.projections) == ["4", "8"]
    assert fusion(maps((4, 4, 4), (8, 4, 4))).shape == (6, 5, 4, 4)


def test_one_input_is_returned_as_it_is() -> None:
    (x,) = maps((4, 5, 5))
    fusion = WeightedFusion([4])
    assert fusion([x]) is x
    assert fusion.edge_weights.tolist() == [1]
    assert not list(fusion.parameters())


def test_learned_weights_start_at_a_half_and_are_trained() -> None:
    fusion = WeightedFusion([4, 4, 4])
    assert (fusion.edge_weights - 0.5).abs().max() < 0.01
    fusion(maps((4, 8, 8), (4, 4, 4), (4, 2, 2))).sum().backward()
    assert fusion.logits is not None and fusion.logits.grad is not None
    assert fusion.logits.grad.abs().min() > 0


def test_given_weights_are_counted_but_not_trained() -> None:
    fusion = WeightedFusion([4, 4], weights=[0.2, 0.9])
    torch.testing.assert_close(fusion.edge_weights, torch.tensor([0.2, 0.9]))
    assert [parameter.requires_grad for parameter in fusion.parameters()] == [False]
    x, y = maps((4, 4, 4), (4, 4, 4))
    torch.testing.assert_close(fusion([x, y]), 0.2 * x + 0.9 * y)


def test_gates_scale_channels_of_single_frames() -> None:
    x, y = maps((4, 8, 8), (4, 4, 4))
    gates = [torch.rand(6, 4), torch.rand(6, 4)]
    fusion = WeightedFusion([4, 4], weights=[0.2, 0.9])
    expected = 0.2 * F.max_pool2d(x, 2) * gates[0][..., None, None]
    expected = expected + 0.9 * y * gates[1][..., None, None]
    torch.testing.assert_close(fusion([x, y], gates), expected)
    torch.testing.assert_close(WeightedFusion([4])([x], gates[:1]), x * gates[0][..., None, None])


@pytest.mark.parametrize("height", range(1, 40))
@pytest.mark.parametrize("halvings", [1, 2, 3, 4])
def test_sizes_that_strides_lead_to(height: int, halvings: int) -> None:
    width, size = height + 5, (height, height + 5)
    for _ in range(halvings):
        size = (math.ceil(size[0] / 2), math.ceil(size[1] / 2))
    x = torch.randn(1, 1, height, width)
    pooled = max_pool_to(x, size)
    assert pooled.shape[2:] == size
    published = (height + 1) // size[0]
    if all(math.ceil(n / published) == out for n, out in zip((height, width), size, strict=True)):
        margin = [out * published - n for n, out in zip((height, width), size, strict=True)]
        before = [extra // 2 for extra in margin]
        sides = (before[1], margin[1] - before[1], before[0], margin[0] - before[0])
        padded = F.pad(x, sides, value=-math.inf)
        assert torch.equal(pooled, F.max_pool2d(padded, published))
