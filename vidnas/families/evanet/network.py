"""EvaNet's ResNet-like networks as modules, in the formulation of frames as a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.lineage import by_branch
from vidnas.families.evanet.module import Branch, ConvKind, Module
from vidnas.families.network import Network
from vidnas.layers.attention import NonLocal
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import clip_to_frames, per_frame, use_channels_last
from vidnas.layers.itgm import ITGMConv
from vidnas.layers.spacetime import Profile, Size, SpaceTimeConv, SpaceTimePool, TwoPlusOneConv

_ONE: Size = (1, 1, 1)


class SpaceTimeConvNorm(nn.Module):
    """Space-time convolution of any kind, batch norm and an optional ReLU."""

    def __init__(
        self,
        kind: ConvKind,
        in_channels: int,
        out_channels: int,
        kernel: Size,
        stride: Size = _ONE,
        *,
        profile: Profile,
        relu: bool,
    ) -> None:
        super().__init__()
        self.conv: nn.Module
        if kind == "itgm" and kernel[0] > 1:
            self.conv = ITGMConv(in_channels, out_channels, kernel, stride, profile=profile)
        elif kind == "2+1d":
            self.conv = TwoPlusOneConv(in_channels, out_channels, kernel, stride)
        else:
            self.conv = SpaceTimeConv(in_channels, out_channels, kernel, stride)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = relu

    def forward(self, x: Tensor, frames: int) -> tuple[Tensor, int]:
        """`(N * T, C, H, W)` to `(N * T', C', H', W')` and `T'`."""
        x, frames = self.conv(x, frames)
        x = self.norm(x)
        return F.relu(x, inplace=True) if self.relu else x, frames


class ParallelBranch(nn.Module):
    """One of the parallel layers of a module, at stride one."""

    def __init__(self, branch: Branch, in_channels: int, filters: int, profile: Profile) -> None:
        super().__init__()
        self.pool: SpaceTimePool | None = None
        self.convs = nn.ModuleList()
        if branch.kind in ("1x1", "maxpool", "avgpool"):
            if branch.kind != "1x1":
                self.pool = SpaceTimePool(branch.kind, (branch.time, 3, 3), _ONE)
            self.pointwise = ConvNorm(in_channels, filters)
            return
        convolutions = [(branch.conv, branch.time), (branch.conv2, branch.time2)]
        convolutions = convolutions[: 1 if branch.kind == "conv" else 2]
        # The widths double from one convolution to the next.
        widths = [max(filters // 2**halvings, 1) for halvings in range(len(convolutions), -1, -1)]
        self.pointwise = ConvNorm(in_channels, widths[0], act="relu")
        for index, (kind, time) in enumerate(convolutions):
            conv = SpaceTimeConvNorm(
                kind,
                widths[index],
                widths[index + 1],
                (time, 3, 3),
                profile=profile,
                relu=index < len(convolutions) - 1,
            )
            self.convs.append(conv)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The batch norm that the branch ends with."""
        last = self.convs[-1] if len(self.convs) else self.pointwise
        return cast(SpaceTimeConvNorm | ConvNorm, last).norm

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, filters, H, W)`."""
        if self.pool is not None:
            x, _ = self.pool(x, frames)
        x = self.pointwise(x)
        for conv in self.convs:
            x, _ = conv(x, frames)
        return x


class ParallelBranches(nn.Module):
    """The branches of a module side by side, concatenated."""

    def __init__(self, module: Module, in_channels: int, filters: int, profile: Profile) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            ParallelBranch(branch, in_channels, filters, profile) for branch in module.branches
        )

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, branches * filters, H, W)`."""
        return torch.cat([branch(x, frames) for branch in self.branches], dim=1)


class BesideInput(ParallelBranches):
    """Branches to which their input is added."""

    def pass_through(self) -> None:
        """Begin as zeros, so that the sum is the input."""
        # An earlier norm would not do: of zeros, ReLU has no derivative, and nothing would learn.
        for branch in cast(Iterable[ParallelBranch], self.branches):
            nn.init.zeros_(branch.last_norm.weight)


class ResidualModule(nn.Module):
    """One repeat of a stage's module: its branches beside a shortcut, then ReLU."""

    def __init__(
        self, module: Module, in_channels: int, filters: int, profile: Profile, repeat: int
    ) -> None:
        super().__init__()
        width = filters * len(module.branches)
        if repeat % 2 == 1:
            branches = tuple(branch.without_time() for branch in module.branches)
            module = module.model_copy(update={"branches": branches})
        parallel = BesideInput if repeat else ParallelBranches
        self.branches = parallel(module, in_channels, filters, profile)
        self.shortcut = ConvNorm(in_channels, width) if repeat == 0 else nn.Identity()
        last = repeat == module.repeats - 1
        self.non_local = NonLocal(width, max(width // 2, 1)) if module.non_local and last else None

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to `(N * T, branches * filters, H, W)`."""
        x = F.relu(self.branches(x, frames) + self.shortcut(x), inplace=True)
        return x if self.non_local is None else self.non_local(x, frames)


class EvaNetHead(nn.Module):
    """Mean over windows of two frames and of the shorter side, dropout, dense, mean of the logits.

    The mean of logits is the dense layer of the mean, so the dense layer comes last.
    """

    def __init__(self, channels: int, num_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(channels, num_classes)
        nn.init.normal_(self.dense.weight, std=0.01)
        nn.init.zeros_(self.dense.bias)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """`(N * T, C, H, W)` to logits `(N, num_classes)`."""
        side = min(int(x.shape[2]), int(x.shape[3]))
        windows = per_frame(F.avg_pool2d(x, side, 1), frames)  # (N, T, C, h, w)
        if frames > 1:
            windows = (windows[:, :-1] + windows[:, 1:]) / 2
        logits: Tensor = self.dense(self.dropout(windows).mean((1, 3, 4)))
        return logits


class EvaNetNetwork(Network):
    """A stem, four times a max-pool and a stage of repeated modules, and a classifier."""

    architecture: EvaNet

    def __init__(self, architecture: EvaNet, num_classes: int) -> None:
        super().__init__(architecture, num_classes)
        profile, channels = architecture.profile, architecture.stem_channels
        self.stem = SpaceTimeConvNorm(
            architecture.stem_conv,
            architecture.inputs[0].channels,
            channels,
            (architecture.stem_time, 7, 7),
            (2, 2, 2),
            profile=profile,
            relu=True,
        )
        first, *others = architecture.pool_times
        self.pools = nn.ModuleList([SpaceTimePool("maxpool", (first, 3, 3), (2, 2, 2))])
        self.pools.extend(SpaceTimePool("maxpool", (time, 2, 2), (1, 2, 2)) for time in others)
        self.stages = nn.ModuleList()
        for module, filters in zip(architecture.modules, architecture.module_filters, strict=True):
            stage = nn.ModuleList()
            for repeat in range(module.repeats):
                stage.append(ResidualModule(module, channels, filters, profile, repeat))
                channels = filters * len(module.branches)
            self.stages.append(stage)
        self.head = EvaNetHead(channels, num_classes, dropout=architecture.dropout)
        use_channels_last(self)

    def lineage(
        self, state: Mapping[str, Tensor], parent: Network | None = None
    ) -> dict[str, Tensor]:
        """Tensors by branch."""
        before = parent.architecture if isinstance(parent, EvaNetNetwork) else None
        return by_branch(state, self.architecture, before)

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` in [0, 1] to logits `(N, num_classes)`, for any N, T, H and W."""
        frames = int(clip.shape[2])
        x, frames = self.stem(clip_to_frames(self.normalizations[0](clip)), frames)
        for pool, stage in zip(self.pools, self.stages, strict=True):
            x, frames = pool(x, frames)
            for module in stage.children():
                x = module(x, frames)
        logits: Tensor = self.head(x, frames)
        return logits
