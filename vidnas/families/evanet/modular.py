"""What both meta-architectures of EvaNet have: evolved modules at their places, and a stem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from vidnas.families.architecture import Width, require_few, scaled
from vidnas.families.clips import FrameCount, SingleClip, SizePx
from vidnas.families.evanet.module import ConvKind, Module, Time, plain
from vidnas.layers.spacetime import Profile


@dataclass(frozen=True)
class Place:
    """Where a module sits: its name, and by how much the clip has shrunk there."""

    name: str
    frame_stride: int
    pixel_stride: int

    def extent(self, frames: int, size_px: int) -> tuple[int, int]:
        """Frames and side of the features of a clip there, with SAME padding all the way."""
        return -(-frames // self.frame_stride), -(-size_px // self.pixel_stride)


class ModularNet(SingleClip):
    """A stem, and evolved modules with max-pools before some of them."""

    places: ClassVar[tuple[Place, ...]]
    widths: ClassVar[tuple[int, ...]]
    """The published width of each module."""

    frames: FrameCount = 64
    size_px: SizePx = 224
    width: Width = 1.0
    """Multiplies the published widths."""
    stem_conv: ConvKind
    stem_time: Time = 3
    pool_times: tuple[Time, Time, Time, Time]
    """Temporal lengths of the max-pools."""
    modules: tuple[Module, ...]
    """One for each place."""
    profile: Profile = "evanet"
    """Temporal profile of the iTGM layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _is_small_enough(self) -> ModularNet:
        require_few(sum(module.repeats for module in self.modules))
        return self

    @property
    def module_filters(self) -> tuple[int, ...]:
        """Channels of one branch of each module; a module has as many for each of its branches."""
        return tuple(
            module.filters(scaled(channels, self.width))
            for module, channels in zip(self.modules, self.widths, strict=True)
        )

    @property
    def extents(self) -> tuple[tuple[int, int], ...]:
        """Frames and side of the features at each place."""
        return tuple(place.extent(self.frames, self.size_px) for place in self.places)

    def neutral_genes(self) -> dict[str, Any]:
        """The genes that both have, each that cannot matter at its neutral value."""
        modules = tuple(
            module.canonical(frames)
            for module, (frames, _) in zip(self.modules, self.extents, strict=True)
        )
        stem_conv = plain(self.stem_conv, self.stem_time)
        profiles = stem_conv == "itgm" or any(module.uses_profiles for module in modules)
        return {
            "modules": modules,
            "stem_conv": stem_conv,
            "profile": self.profile if profiles else "evanet",
            **self.neutral_clip,
        }
