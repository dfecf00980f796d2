"""The bounds of a search: which values each gene may take."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import PositiveFloat, PositiveInt

from vidnas.core import Channels
from vidnas.core.value import Value
from vidnas.families.evanet.architecture import EvaNet
from vidnas.families.evanet.genes import LAYER_GENES
from vidnas.families.evanet.inception import EvaNetInception
from vidnas.families.evanet.module import MAX_BRANCHES, BranchKind, ConvKind, Module, Time
from vidnas.families.evanet.places import Place
from vidnas.layers.spacetime import Profile


class Bounds(Value):
    """Values that each gene may take; `in_channels`, `width` and the last two take only one."""

    size_px: tuple[PositiveInt, ...]
    frames: tuple[PositiveInt, ...]
    frame_stride: tuple[PositiveInt, ...] = (1, 2, 3, 4, 6, 8)
    max_frames: PositiveInt
    """Longest stretch of video that a clip may span."""
    branch_kinds: tuple[BranchKind, ...]
    conv_kinds: tuple[ConvKind, ...] = ("3d", "2+1d", "itgm")
    times: tuple[Time, ...] = (1, 3, 5, 7, 9, 11)
    max_branches: PositiveInt = MAX_BRANCHES
    repeats: tuple[PositiveInt, ...]
    non_local: tuple[bool, ...] = (False, True)
    max_positions: PositiveInt = 4096
    """Most positions (T x H x W) that a non-local block may attend from."""
    in_channels: Channels = 3
    width: PositiveFloat = 0.125
    """Of every network: an eighth of the published widths suits two CPU cores."""
    profile: Profile = "evanet"
    dropout: float = 0.0
    """Of every network: in brief training it hides what a network could learn."""

    def span(self, frames: int, frame_stride: int) -> bool:
        """Whether a clip of so many frames fits into the longest stretch of video."""
        return (frames - 1) * frame_stride < self.max_frames

    def hold(
        self,
        architecture: EvaNet | EvaNetInception,
        modules: Sequence[Module],
        places: Sequence[Place],
    ) -> bool:
        """Whether an architecture, with these modules at these places, is within the bounds."""
        fixed = ("in_channels", "width", "profile", "dropout")
        chosen = ("size_px", "frames", "frame_stride")
        extents = [place.extent(architecture.frames, architecture.size_px) for place in places]
        return (
            all(getattr(architecture, gene) == getattr(self, gene) for gene in fixed)
            and all(getattr(architecture, gene) in getattr(self, gene) for gene in chosen)
            and self.span(architecture.frames, architecture.frame_stride)
            and architecture.stem_conv in self.conv_kinds
            and architecture.stem_time in self.times
            and all(time in self.times for time in architecture.pool_times)
            and all(
                self._hold_module(module, positions=frames * size_px**2)
                for module, (frames, size_px) in zip(modules, extents, strict=True)
            )
        )

    def _hold_module(self, module: Module, positions: int) -> bool:
        return (
            len(module.branches) <= self.max_branches
            and module.repeats in self.repeats
            and module.non_local in self.non_local
            and not (module.non_local and positions > self.max_positions)
            and all(
                branch.kind in self.branch_kinds
                and all(
                    (conv is None or getattr(branch, conv) in self.conv_kinds)
                    and getattr(branch, time) in self.times
                    for conv, time in LAYER_GENES[branch.kind]
                )
                for branch in module.branches
            )
        )
