"""Attention over space and time."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.layers.convolution import ConvNorm, SameConv2d
from vidnas.layers.pooling import SamePool2d


class NonLocal(nn.Module):
    """Embedded-Gaussian non-local block over all positions of a clip (Wang et al., CVPR 2018).

    `x + BN(W_z softmax(theta(x) phi(x)^T / sqrt(d)) g(x))`. Keys and values are max-pooled 2x2 in
    space, which quarters the attention matrix, and the last batch norm starts at zero, so that a
    new block is the identity: both as in the paper.
    """

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        self.query = SameConv2d(channels, bottleneck)
        self.key_value = SameConv2d(channels, 2 * bottleneck)
        self.pool = SamePool2d("maxpool", (2, 2), (2, 2))
        self.project = ConvNorm(bottleneck, channels)
        self.pass_through()

    def pass_through(self) -> None:
        """Begin as the identity."""
        nn.init.zeros_(self.project.norm.weight)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to the same shape."""
        height, width = int(x.shape[2]), int(x.shape[3])
        query = self._positions(self.query(x), frames)
        key, value = self._positions(self.pool(self.key_value(x)), frames).chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(query, key, value)  # (N, 1, T * H * W, d)
        attended = attended.reshape(-1, height, width, self.bottleneck).permute(0, 3, 1, 2)
        out: Tensor = x + self.project(attended)
        return out

    @staticmethod
    def _positions(x: Tensor, frames: int) -> Tensor:
        """`(N * T, d, H, W)` to `(N, 1, T * H * W, d)`."""
        width, positions = int(x.shape[1]), frames * int(x.shape[2]) * int(x.shape[3])
        return x.permute(0, 2, 3, 1).reshape(-1, 1, positions, width)
