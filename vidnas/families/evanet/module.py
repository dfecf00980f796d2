"""The evolved part of EvaNet: modules of parallel space-time layers.

Piergiovanni, Angelova, Toshev, Ryoo: Evolving Space-Time Neural Architectures for Videos, ICCV
2019, arXiv 1811.10636; layer semantics as in google-research/evanet.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from vidnas.core.value import Value
from vidnas.layers.padding import windows

ConvKind = Literal["3d", "itgm", "2+1d"]
"""Space-time convolution: full; temporal profiles by a spatial kernel; temporal, then spatial."""
BranchKind = Literal["1x1", "conv", "conv2", "maxpool", "avgpool"]
"""Pointwise; pointwise and one or two space-time convolutions; pooling and pointwise."""

MAX_BRANCHES = 6
MAX_TIME = 11


def _is_odd(time: int) -> int:
    if time % 2 == 0:
        raise ValueError(f"temporal length {time} is even; use 1, 3, 5, 7, 9 or 11")
    return time


Time = Annotated[int, Field(ge=1, le=MAX_TIME), AfterValidator(_is_odd)]
"""Temporal length of a layer, odd."""


class Branch(Value):
    """One of the parallel layers of a module; genes that its kind does not use are neutral."""

    kind: BranchKind
    conv: ConvKind = "3d"
    time: Time = 1
    """Temporal length of the first convolution, or of the pooling."""
    conv2: ConvKind = "3d"
    time2: Time = 1

    @property
    def pools(self) -> bool:
        """Whether it is a pooling and a pointwise convolution."""
        return self.kind in ("maxpool", "avgpool")

    def canonical(self, frames: int = MAX_TIME) -> Branch:
        """The same layers with unused genes neutral, for clips of so many frames.

        An iTGM of length one is a 3D convolution, and a pooling is as long as it sees frames.
        """
        if self.pools:
            return Branch(kind=self.kind, time=shortest_pooling(self.time, frames))
        convolutions = {"1x1": 0, "conv": 1, "conv2": 2}[self.kind]
        return Branch(
            kind=self.kind,
            conv=plain(self.conv, self.time) if convolutions > 0 else "3d",
            time=self.time if convolutions > 0 else 1,
            conv2=plain(self.conv2, self.time2) if convolutions > 1 else "3d",
            time2=self.time2 if convolutions > 1 else 1,
        )

    def shortened(self, longest: int) -> Branch:
        """The branch with no layer longer than this."""
        times = {"time": min(self.time, longest), "time2": min(self.time2, longest)}
        return self.model_copy(update=times)

    def without_time(self) -> Branch:
        """The branch in odd repeats: convolutions of length one, the pooling unchanged."""
        return self if self.pools else self.model_copy(update={"time": 1, "time2": 1})


LAYER_GENES: dict[BranchKind, tuple[tuple[str | None, str], ...]] = {
    "1x1": (),
    "conv": (("conv", "time"),),
    "conv2": (("conv", "time"), ("conv2", "time2")),
    "maxpool": ((None, "time"),),
    "avgpool": ((None, "time"),),
}
"""The genes of each layer that has a temporal length: that of its type, if it has one, and that of
its length."""

CONV_NAMES: dict[ConvKind, str] = {"3d": "3D", "itgm": "iTGM", "2+1d": "(2+1)D"}
_KIND_NAMES: dict[BranchKind, str] = {"1x1": "1x1", "maxpool": "max-pool", "avgpool": "avg-pool"}


def layer_name(branch: Branch, conv_gene: str | None) -> str:
    """What people call a layer: the type of its convolution, or the kind of the branch."""
    return CONV_NAMES[getattr(branch, conv_gene)] if conv_gene else _KIND_NAMES[branch.kind]


def layers(branch: Branch) -> list[tuple[str, int]]:
    """Name and temporal length of the layers of a branch that it is known by."""
    timed = [
        (layer_name(branch, conv_gene), int(getattr(branch, time_gene)))
        for conv_gene, time_gene in LAYER_GENES[branch.kind]
    ]
    return timed or [(layer_name(branch, None), 1)]


class Module(Value):
    """Parallel branches, concatenated, and added to a shortcut; the module is repeated."""

    branches: Annotated[tuple[Branch, ...], Field(min_length=1, max_length=MAX_BRANCHES)]
    repeats: PositiveInt = 1
    non_local: bool = False
    """A non-local block (Wang et al., CVPR 2018) after the last repeat."""

    def filters(self, channels: int) -> int:
        """Channels of each branch, of a module that may have so many: rounded down."""
        return max(channels // len(self.branches), 1)

    def canonical(self, frames: int = MAX_TIME) -> Module:
        """The same module with canonical branches; their order stays, since it orders channels."""
        branches = tuple(branch.canonical(frames) for branch in self.branches)
        return self.model_copy(update={"branches": branches})

    def shortened(self, longest: int) -> Module:
        """The module with no layer longer than this."""
        branches = tuple(branch.shortened(longest) for branch in self.branches)
        return self.model_copy(update={"branches": branches})

    @property
    def uses_profiles(self) -> bool:
        """Whether the temporal profile of iTGM layers matters to it."""
        branches = self.canonical().branches
        return any("itgm" in (branch.conv, branch.conv2) for branch in branches)


def plain(conv: ConvKind, time: int) -> ConvKind:
    """The kind of convolution; an iTGM of length one has no profile, it is a 3D convolution."""
    return "3d" if conv == "itgm" and time == 1 else conv


@cache
def shortest_pooling(time: int, frames: int, stride: int = 1) -> int:
    """The shortest odd temporal length that pools the same frames, of so many, as this one."""
    seen = windows(frames, time, stride)
    return next(odd for odd in range(1, time + 1, 2) if windows(frames, odd, stride) == seen)
