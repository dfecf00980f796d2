"""The Tiny Video Networks that a search may visit."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from vidnas.core import Channels, Evaluation, UserError
from vidnas.families.base import Architecture, Space
from vidnas.families.tinyvideonet.architecture import TinyVideoNet
from vidnas.families.tinyvideonet.bounds import Bounds
from vidnas.families.tinyvideonet.mutation import MUTATIONS
from vidnas.families.tinyvideonet.sampling import pick, random_network

_FRAMES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_ATTEMPTS = 1000


class TinyVideoSpace(Space):
    """Tiny Video Networks within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds

    def random(self, rng: np.random.Generator) -> TinyVideoNet:
        """Draw a random architecture of the space."""
        for _ in range(_ATTEMPTS):
            architecture = random_network(rng, self.bounds)
            if self.contains(architecture):
                return architecture
        raise UserError(f"{_ATTEMPTS} random networks lie outside {self.bounds!r}; widen these.")

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[TinyVideoNet, tuple[str, ...]]:
        """Apply `strength` mutations of one gene each; the evaluation is not used."""
        if not isinstance(parent, TinyVideoNet):
            raise TypeError(f"a {type(parent).__name__} is no Tiny Video Network")
        child, phrases = parent, []
        for left in reversed(range(strength)):
            # A later mutation must not undo an earlier one in the end.
            refused = {child.digest} if left else {child.digest, parent.digest}
            child, phrase = self._mutate_once(child, rng, refused)
            phrases.append(phrase)
        return child, tuple(phrases)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""
        return isinstance(architecture, TinyVideoNet) and self.bounds.hold(architecture)

    def describe(self) -> dict[str, Any]:
        """The bounds."""
        return self.bounds.model_dump(mode="json")

    def _mutate_once(
        self, parent: TinyVideoNet, rng: np.random.Generator, refused: set[str]
    ) -> tuple[TinyVideoNet, str]:
        mutations = tuple(MUTATIONS.values())
        for _ in range(_ATTEMPTS):
            change = pick(rng, mutations)(parent, rng, self.bounds)
            if change is None:
                continue
            genes, phrase = change
            try:
                child = TinyVideoNet.model_validate({**dict(parent), **genes})
            except ValidationError:
                continue
            if self.contains(child) and child.digest not in refused:
                return child, phrase
        raise UserError(f"{_ATTEMPTS} mutations lie outside {self.bounds!r}; widen these.")


def space(
    *, max_size_px: int = 128, max_frames: int = 32, in_channels: Channels = 3
) -> TinyVideoSpace:
    """The default space for clips of up to this size and length, of RGB or of optical flow.

    Raises:
        UserError: the clips are too small or have no frames.
    """
    if max_size_px < 16 or max_frames < 1:
        raise UserError(
            f"Clips of {max_frames} frame(s) of {max_size_px} px leave nothing to search; use at "
            "least 1 frame of 16 px."
        )
    return TinyVideoSpace(
        Bounds(
            image_size=tuple(range(min(32, max_size_px), max_size_px + 1, 16)),
            frames=tuple(count for count in _FRAMES if count <= max_frames),
            in_channels=in_channels,
            max_frames=max_frames,
        )
    )
