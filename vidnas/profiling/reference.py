"""The fixed network with which candidates are timed in alternation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidnas.core import ClipSpec

REFERENCE_NAME = "reference network 1"
"""The number changes whenever the network does: latencies by different ones do not compare."""
REFERENCE_INPUTS = (ClipSpec(frames=4, frame_stride=1, size_px=96),)


class ReferenceNetwork(nn.Module):
    """Spatial, depth-wise, point-wise and temporal convolutions: about 6 ms on one core.

    The mixture, of no family, slows down as candidates do when another process takes caches, memory
    bandwidth or clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(
            _convolution(3, 32, 3, stride=2),
            _convolution(32, 64, 3, stride=2),
            _convolution(64, 64, 3),
            _convolution(64, 128, 3, stride=2),
            _convolution(128, 128, 3, groups=128),
            _convolution(128, 256, 1),
        )
        self.temporal = nn.Conv2d(256, 128, (3, 1), padding=(1, 0))
        self.classifier = nn.Linear(128, 10)

    def forward(self, clip: Tensor) -> Tensor:
        """Return logits `(1, 10)` of a clip `(1, 3, T, H, W)`."""
        features = self.spatial(clip[0].transpose(0, 1))  # (T, C, H', W')
        features = features.flatten(2).permute(1, 0, 2).unsqueeze(0)  # (1, C, T, H' W')
        features = self.temporal(features).relu().mean((2, 3))
        logits: Tensor = self.classifier(features)
        return logits


def reference_network() -> ReferenceNetwork:
    """Build the network with weights that neither depend on torch's generator nor advance it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ReferenceNetwork().eval()


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
