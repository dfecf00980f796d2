"""EvaNet's ResNet-like meta-architecture: four stages of evolved modules.

Piergiovanni, Angelova, Toshev, Ryoo: Evolving Space-Time Neural Architectures for Videos, ICCV
2019, arXiv 1811.10636; semantics of the published code, google-research/evanet.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from vidnas.families.architecture import scaled
from vidnas.families.evanet.module import ConvKind, Module, Time, plain, shortest_pooling
from vidnas.families.single_clip import SingleClip
from vidnas.layers.spacetime import Profile

STAGE_WIDTHS = (256, 512, 1024, 2048)
STEM_WIDTH = 64


class EvaNet(SingleClip):
    """Stem, max-pool, and four stages with a max-pool between each two of them."""

    family: ClassVar[str] = "evanet"

    frames: PositiveInt = 64
    size_px: PositiveInt = 224
    width: PositiveFloat = 1.0
    """Multiplies the published widths: 64 in the stem, 256 to 2048 in the stages."""
    stem_conv: ConvKind = "2+1d"
    stem_time: Time = 3
    pool_times: tuple[Time, Time, Time, Time] = (1, 1, 1, 1)
    """Temporal lengths of the max-pools before each stage; the published code ties the second to
    the first."""
    stages: Annotated[tuple[Module, ...], Field(min_length=4, max_length=4)]
    profile: Profile = "evanet"
    """Temporal profile of the iTGM layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    @property
    def stem_channels(self) -> int:
        """Channels after the stem."""
        return scaled(STEM_WIDTH, self.width)

    @property
    def stage_filters(self) -> tuple[int, ...]:
        """Channels of one branch of each stage; the stage has as many for each of its branches."""
        return tuple(
            stage.filters(scaled(channels, self.width))
            for stage, channels in zip(self.stages, STAGE_WIDTHS, strict=True)
        )

    def canonical(self) -> EvaNet:
        """The same network with every gene that cannot matter set to its neutral value."""
        frames = _half(self.frames)  # after the stem
        pooled = _half(frames)
        first, *others = self.pool_times
        stages = tuple(stage.canonical(pooled) for stage in self.stages)
        stem_conv = plain(self.stem_conv, self.stem_time)
        profiles = stem_conv == "itgm" or any(stage.uses_profiles for stage in stages)
        changes = {
            "stages": stages,
            "stem_conv": stem_conv,
            "pool_times": (
                shortest_pooling(first, frames, stride=2),
                *(shortest_pooling(time, pooled) for time in others),
            ),
            "profile": self.profile if profiles else "evanet",
            "frame_stride": self.frame_stride if self.frames > 1 else 1,
        }
        return self.model_copy(update=changes)


def _half(frames: int) -> int:
    return -(-frames // 2)
