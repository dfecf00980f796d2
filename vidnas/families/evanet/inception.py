"""EvaNet's Inception-like meta-architecture: nine evolved modules of parallel layers.

Piergiovanni, Angelova, Toshev, Ryoo: Evolving Space-Time Neural Architectures for Videos, ICCV
2019, arXiv 1811.10636. The published code leaves this meta-architecture out: this is our own
reading of the paper, on the backbone of I3D (Carreira, Zisserman, CVPR 2017), an inflated
Inception-v1.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from vidnas.families.architecture import scaled
from vidnas.families.evanet.modular import ModularNet, Place
from vidnas.families.evanet.module import ConvKind, Module, Time, shortest_pooling

STEM_WIDTHS = (64, 64, 192)


class EvaNetInception(ModularNet):
    """Inception-v1 inflated in time, each of whose nine modules has its own parallel layers.

    Our own reading of the paper, whose published code has no Inception-like networks: the strides,
    widths and pools are those of I3D; a module's width is divided evenly among its branches; a
    branch is a 1x1 convolution, a pooling and a 1x1 convolution, or a 1x1 convolution and one or
    two space-time convolutions. There is no shortcut and no repeat.
    """

    family: ClassVar[str] = "evanet_inception"
    places = (
        *(Place(f"module {name}", 2, 8) for name in ("3b", "3c")),
        *(Place(f"module {name}", 4, 16) for name in ("4b", "4c", "4d", "4e", "4f")),
        *(Place(f"module {name}", 8, 32) for name in ("5b", "5c")),
    )
    widths = (256, 480, 512, 512, 512, 528, 832, 832, 1024)

    stem_conv: ConvKind = "3d"
    """The kind of the stem's 7x7 and 3x3 convolutions; `stem_time` is the length of both."""
    pool_times: tuple[Time, Time, Time, Time] = (1, 1, 3, 3)
    """Temporal lengths of the max-pools: two in the stem, and before modules 4b and 5b."""
    modules: Annotated[tuple[Module, ...], Field(min_length=9, max_length=9)]
    """3b and 3c, 4b to 4f, 5b and 5c."""

    @model_validator(mode="after")
    def _is_not_repeated(self) -> EvaNetInception:
        for place, module in zip(self.places, self.modules, strict=True):
            if module.repeats != 1:
                raise ValueError(
                    f"{place.name} has {module.repeats} repeats; Inception-like modules have 1"
                )
        return self

    @property
    def stem_channels(self) -> tuple[int, ...]:
        """Channels after each of the stem's convolutions: 7x7, 1x1 and 3x3."""
        return tuple(scaled(width, self.width) for width in STEM_WIDTHS)

    @property
    def group_pools(self) -> dict[int, tuple[int, int]]:
        """Kernel in space and in time of the max-pool before each group, by its first module."""
        return {2: (3, self.pool_times[2]), 7: (2, self.pool_times[3])}

    def canonical(self) -> EvaNetInception:
        """The same network with every gene that cannot matter set to its neutral value."""
        frames = [frames for frames, _ in self.extents]
        first, second, third, fourth = self.pool_times
        pool_times = (
            shortest_pooling(first, frames[0]),
            shortest_pooling(second, frames[0]),
            shortest_pooling(third, frames[0], stride=2),
            shortest_pooling(fourth, frames[2], stride=2),
        )
        return self.model_copy(update={**self.neutral_genes(), "pool_times": pool_times})
