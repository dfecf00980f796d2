"""R(2+1)D on frames stacked in the batch: `(N * T, C, H, W)`, channels-last, without copies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidnas.families.baselines.architecture import R2Plus1D, middle_channels
from vidnas.families.network import Network
from vidnas.layers.convolution import subsample
from vidnas.layers.frames import OverTime, clip_to_frames, every
from vidnas.layers.head import ClassifierHead


class R2Plus1DNetwork(Network):
    """Stem, four stages of basic blocks, global mean, dense.

    The middle channels of both convolutions of a block follow from the block's input and output, as
    in torchvision, whose parameters this network has one for one.
    """

    architecture: R2Plus1D

    def __init__(self, architecture: R2Plus1D, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        middle, channels = architecture.stem_channels
        self.stem = SplitConv(
            architecture.inputs[0].channels, middle, channels, kernel=7, stride=(1, 2)
        )
        self.blocks = nn.ModuleList()
        for stage, (count, width) in enumerate(architecture.stages):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                self.blocks.append(ResidualBlock(channels, width, stride))
                channels = width
        self.head = ClassifierHead(channels, num_classes, dropout=0.0)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to logits `(N, num_classes)`."""
        x, frames = clip_to_frames(self.normalizations[0](clip)), int(clip.shape[2])
        x, frames = self.stem(x, frames)
        x = torch.relu(x)
        for block in self.blocks:
            x, frames = block(x, frames)
        logits: Tensor = self.head(x, frames)
        return logits


class SplitConv(nn.Module):
    """A `1 x k x k` convolution, batch norm, ReLU, a `3 x 1 x 1` convolution, batch norm."""

    def __init__(
        self,
        channels: int,
        middle: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        over_time, over_space = stride
        self.space = nn.Sequential(
            nn.Conv2d(channels, middle, kernel, over_space, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
        )
        self.time = OverTime(
            nn.Conv2d(middle, out_channels, (3, 1), (over_time, 1), padding=(1, 0), bias=False)
        )
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T'`."""
        x, frames = self.time(self.space(x), frames)
        return self.norm(x), frames


class ResidualBlock(nn.Module):
    """Two (2+1)D convolutions beside a shortcut; the stride is the same in time and space."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        middle = middle_channels(channels, out_channels)
        self.first = SplitConv(channels, middle, out_channels, stride=(stride, stride))
        self.second = SplitConv(out_channels, middle, out_channels)
        self.stride = stride
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T'`."""
        kept = x
        if self.stride > 1:
            kept, _ = subsample(x, (self.stride, self.stride))
            kept = every(kept, frames, self.stride)
        y, frames_after = self.first(x, frames)
        y, frames_after = self.second(torch.relu(y), frames_after)
        return torch.relu(y + self.shortcut(kept)), frames_after
