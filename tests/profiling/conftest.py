from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vidnas.core import ClipSpec
from vidnas.families import Architecture, Family, Network, create_network


class HandArchitecture(Architecture):
    """Small enough to count by hand."""

    family = "hand"
    streams: int = 1
    frames: int = 2
    size_px: int = 8

    @property
    def inputs(self) -> tuple[ClipSpec, ...]:
        spec = ClipSpec(frames=self.frames, frame_stride=1, size_px=self.size_px)
        return (spec,) * self.streams


class HandNetwork(Network):
    def __init__(self, architecture: HandArchitecture, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False)
        self.grouped = nn.Conv2d(4, 8, 1, groups=2)
        self.classifier = nn.Linear(8, num_classes)

    def forward(self, *clips: Tensor) -> Tensor:
        batch = clips[0].shape[0]
        pairs = zip(self.normalizations, clips, strict=True)
        frames = torch.cat([norm(clip).transpose(1, 2).flatten(0, 1) for norm, clip in pairs])
        features = torch.relu(self.norm(self.stem(frames)))
        features = self.grouped(self.depthwise(features)).mean((2, 3))
        features = features.unflatten(0, (len(clips), batch, -1)).mean((0, 2))
        return self.classifier(features)


FAMILY = Family("hand", HandArchitecture, network=HandNetwork)


@pytest.fixture
def architecture() -> HandArchitecture:
    return HandArchitecture()


@pytest.fixture
def two_streams() -> HandArchitecture:
    return HandArchitecture(streams=2)


@pytest.fixture
def network(architecture: HandArchitecture) -> HandNetwork:
    torch.manual_seed(0)
    return create_network(architecture, 3).eval()
