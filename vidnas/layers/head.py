"""From features to logits."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vidnas.layers.frames import mean_over_clip, mean_over_space, per_frame


def dense(in_features: int, out_features: int) -> nn.Linear:
    """A dense layer with weights from N(0, 0.01) and no bias at first."""
    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


class ClassifierHead(nn.Module):
    """Mean over space and time, dropout, dense layer; or a soft maximum of the frames' logits.

    With `max_pool_predictions` each frame is classified, and the logits z are pooled over the T
    frames as `sum_t z_t softmax_t(z_t / sqrt(T))` (AssembleNet's published code).
    """

    def __init__(
        self, channels: int, num_classes: int, *, dropout: float, max_pool_predictions: bool = False
    ) -> None:
        super().__init__()
        self.max_pool_predictions = max_pool_predictions
        self.dropout = nn.Dropout(dropout)
        self.dense = dense(channels, num_classes)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to logits `(N, num_classes)`."""
        if not self.max_pool_predictions:
            logits: Tensor = self.dense(self.dropout(mean_over_clip(x, frames)))
            return logits
        z = per_frame(self.dense(self.dropout(mean_over_space(x))), frames)  # (N, T, num_classes)
        return (z * torch.softmax(z / math.sqrt(frames), dim=1)).sum(1)
