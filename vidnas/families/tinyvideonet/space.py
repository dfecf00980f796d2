"""The Tiny Video Networks that a search may visit."""

from __future__ import annotations

import numpy as np

from vidnas.core import Evaluation, Modality, channels_of
from vidnas.families.architecture import Architecture
from vidnas.families.mutating import Change, MutatingSpace, pick
from vidnas.families.space import single_modality
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.bounds import Bounds
from vidnas.families.tinyvideonet.mutation import MUTATIONS
from vidnas.families.tinyvideonet.sampling import random_network


class TinyVideoSpace(MutatingSpace[TinyVideoNet, Bounds]):
    """Tiny Video Networks within bounds."""

    architecture = TinyVideoNet

    def draw(self, rng: np.random.Generator) -> TinyVideoNet:
        """Draw a clip and its blocks; the network may lie outside the bounds."""
        return random_network(rng, self.bounds)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""
        return isinstance(architecture, TinyVideoNet) and self.bounds.hold(architecture)

    def change(
        self, parent: TinyVideoNet, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Change one gene; the evaluation is not used."""
        return pick(rng, tuple(MUTATIONS.values()))(parent, rng, self.bounds)


def space(
    *, max_size_px: int = 128, max_frames: int = 32, modalities: tuple[Modality, ...] = ("rgb",)
) -> TinyVideoSpace:
    """The default space for clips of up to this size and length, of RGB or of optical flow.

    Raises:
        UserError: the clips are too small, have no frames, or are of several modalities.
    """
    in_channels = channels_of(single_modality(modalities))
    return TinyVideoSpace(Bounds.for_clips(max_size_px, max_frames, in_channels=in_channels))
