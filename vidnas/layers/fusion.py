"""Fusion of feature maps of several sizes and widths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from vidnas.layers.convolution import SameConv2d
from vidnas.layers.pooling import max_pool
from vidnas.layers.shrinking import shrink


class Projection(SameConv2d):
    """Plain 1x1 convolution to the width of others."""

    def pass_through(self) -> None:
        """Begin as the identity: where wider maps have joined, the narrower ones stay in the first
        channels, which is all that filters see which knew no others."""
        nn.init.dirac_(self.weight)


class WeightedFusion(nn.Module):
    """Weighted sum of feature maps (AssembleNet, ICLR 2020; published code, assemblenet.py).

    Maps are max-pooled to the smallest size and scaled by the sigmoid of one weight each. Those of
    the same width are summed, each sum of another width than the fused one goes through a plain 1x1
    convolution, and these are summed. A single map is returned as it is and has no weight.
    """

    logits: nn.Parameter | None

    def __init__(
        self,
        channels: Sequence[int],
        fused: int | None = None,
        *,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Fuse maps of these widths, to `fused` channels (default: those of the widest).

        With `weights`, the sigmoids of the weights are these and are not trained.
        """
        super().__init__()
        self.groups: dict[int, list[int]] = {}
        """Inputs by their width, in order of first appearance."""
        for index, width in enumerate(channels):
            self.groups.setdefault(width, []).append(index)
        self.projections = nn.ModuleDict()
        self.logits = None
        if len(channels) == 1:
            return
        fused = fused or max(channels)
        for width in self.groups:
            if width != fused:
                self.projections[str(width)] = Projection(width, fused)
        if weights is None:
            logits = nn.init.trunc_normal_(torch.empty(len(channels)), std=0.01, a=-0.02, b=0.02)
        else:
            logits = torch.tensor(weights).logit()
        self.logits = nn.Parameter(logits, requires_grad=weights is None)

    @property
    def edge_weights(self) -> Tensor:
        """What each map is scaled by, in (0, 1); one for a single map."""
        return torch.ones(1) if self.logits is None else torch.sigmoid(self.logits)

    def forward(self, inputs: Sequence[Tensor], gates: Sequence[Tensor] | None = None) -> Tensor:
        """Fuse `(N * T, C_i, H_i, W_i)` to `(N * T, C, H, W)`.

        Gates `(N * T, C_i)` scale the channels of each input besides its weight.
        """
        if self.logits is None:
            return inputs[0] if gates is None else inputs[0] * gates[0][:, :, None, None]
        size = smallest_size(inputs)
        pooled = [max_pool_to(x, size) for x in inputs]
        scales = list(torch.sigmoid(self.logits).unbind())
        if gates is not None:
            pairs = zip(scales, gates, strict=True)
            scales = [scale * gate[:, :, None, None] for scale, gate in pairs]
        sums = []
        for width, members in self.groups.items():
            first, *others = members
            total = pooled[first] * scales[first]
            for member in others:
                total += pooled[member] * scales[member]
            project = str(width) in self.projections
            sums.append(self.projections[str(width)](total) if project else total)
        return reduce(torch.add, sums)


def smallest_size(maps: Sequence[Tensor]) -> tuple[int, int]:
    """Height and width that maps `(N, C, H_i, W_i)` are pooled to."""
    return min(int(x.shape[2]) for x in maps), min(int(x.shape[3]) for x in maps)


def max_pool_to(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Max-pool `(N, C, H, W)` to a smaller size.

    In the published code the height gives the stride in both directions, with SAME padding.
    """
    ratio = -(-int(x.shape[2]) // size[0])
    if any(-(-int(n) // ratio) != out for n, out in zip(x.shape[2:], size, strict=True)):
        return shrink(x, size)
    return x if ratio == 1 else max_pool(x, (ratio, ratio), (ratio, ratio))
