"""Gates: a clip's mean features scale its channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidnas.layers.convolution import linear
from vidnas.layers.frames import mean_over_clip, scale_clip


class SqueezeExcite(nn.Module):
    """Scale channels by `sigmoid(W2 relu(W1 mean))` (Hu et al., CVPR 2018), over space and time."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = linear(channels, hidden)
        self.excite = linear(hidden, channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to the same shape."""
        hidden = torch.relu(self.squeeze(mean_over_clip(x, frames)))
        return scale_clip(x, torch.sigmoid(self.excite(hidden)), frames)


class ContextGate(nn.Module):
    """Scale channels by `sigmoid(W mean)` (Miech et al., 2017), over space and time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = linear(channels, channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to the same shape."""
        return scale_clip(x, torch.sigmoid(self.gate(mean_over_clip(x, frames))), frames)
