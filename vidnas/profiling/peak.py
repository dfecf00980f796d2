"""The convolution peak of this machine, as a share of which latencies can be understood."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from vidnas.core import ClipSpec

_CHANNELS, _SIDE, _DEPTH = 128, 56, 3
PEAK_INPUTS = (ClipSpec(frames=1, frame_stride=1, size_px=_SIDE),)
PEAK_MACS = _SIDE * _SIDE * 9 * _CHANNELS * (3 + _DEPTH * _CHANNELS)


class PeakNetwork(nn.Module):
    """3x3 convolutions of as many channels as keep every arithmetic unit busy."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *[_CHANNELS] * (_DEPTH + 1)]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the means of the features of a clip `(N, 3, 1, H, W)`, `(N, C)`."""
        features: Tensor = self.layers(clip.flatten(1, 2))
        return features.mean((2, 3))
