"""EvaNet's Inception-like networks as modules, in the formulation of frames as a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.lineage import by_branch
from vidnas.families.evanet.module import Module
from vidnas.families.evanet.network import ParallelBranches, SpaceTimeConvNorm
from vidnas.families.network import Network
from vidnas.layers.attention import NonLocal
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import clip_to_frames, use_channels_last
from vidnas.layers.head import ClassifierHead
from vidnas.layers.spacetime import Profile, SpaceTimePool


class InceptionStem(nn.Module):
    """7x7 convolution, max-pool, 1x1 and 3x3 convolution, max-pool."""

    def __init__(self, architecture: EvaNetInception) -> None:
        super().__init__()
        kind, time = architecture.stem_conv, architecture.stem_time
        first, middle, last = architecture.stem_channels
        self.conv7 = SpaceTimeConvNorm(
            kind,
            architecture.inputs[0].channels,
            first,
            (time, 7, 7),
            (2, 2, 2),
            profile=architecture.profile,
            relu=True,
        )
        self.pointwise = ConvNorm(first, middle, act="relu")
        self.conv3 = SpaceTimeConvNorm(
            kind, middle, last, (time, 3, 3), profile=architecture.profile, relu=True
        )
        self.pools = nn.ModuleList(
            SpaceTimePool("maxpool", (length, 3, 3), (1, 2, 2))
            for length in architecture.pool_times[:2]
        )

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H / 8, W / 8)` and `T' = ceil(T / 2)`."""
        x, frames = self.conv7(x, frames)
        x, frames = self.pools[0](x, frames)
        x, frames = self.conv3(self.pointwise(x), frames)
        x, frames = self.pools[1](x, frames)
        return x, frames


class InceptionModule(nn.Module):
    """Parallel branches, concatenated, and ReLU."""

    def __init__(self, module: Module, in_channels: int, filters: int, profile: Profile) -> None:
        super().__init__()
        width = filters * len(module.branches)
        self.branches = ParallelBranches(module, in_channels, filters, profile)
        self.non_local = NonLocal(width, max(width // 2, 1)) if module.non_local else None

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, branches * filters, H, W)`."""
        x = F.relu(self.branches(x, frames), inplace=True)
        return x if self.non_local is None else self.non_local(x, frames)


class EvaNetInceptionNetwork(Network):
    """Stem, nine modules with max-pools between their groups, mean over the clip, classifier."""

    architecture: EvaNetInception

    def __init__(self, architecture: EvaNetInception, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        self.stem = InceptionStem(architecture)
        channels = architecture.stem_channels[-1]
        self.inception = nn.ModuleList()
        for module, filters in zip(architecture.modules, architecture.module_filters, strict=True):
            self.inception.append(InceptionModule(module, channels, filters, architecture.profile))
            channels = filters * len(module.branches)
        self.pools = nn.ModuleDict(
            {
                str(index): SpaceTimePool("maxpool", (time, kernel, kernel), (2, 2, 2))
                for index, (kernel, time) in architecture.group_pools.items()
            }
        )
        self.head = ClassifierHead(channels, num_classes, dropout=architecture.dropout)
        use_channels_last(self)

    def lineage(
        self, state: Mapping[str, Tensor], parent: Network | None = None
    ) -> dict[str, Tensor]:
        """Tensors by branch."""
        before = parent.architecture if isinstance(parent, EvaNetInceptionNetwork) else None
        return by_branch(state, self.architecture, before)

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to logits `(N, num_classes)`, for any N, T, H and W."""
        frames = int(clip.shape[2])
        x, frames = self.stem(clip_to_frames(self.normalizations[0](clip)), frames)
        for index, module in enumerate(self.inception):
            if str(index) in self.pools:
                x, frames = self.pools[str(index)](x, frames)
            x = module(x, frames)
        logits: Tensor = self.head(x, frames)
        return logits
