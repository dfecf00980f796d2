"""The AssembleNet networks that a search may visit, and what their connections tell it."""

from __future__ import annotations

import numpy as np

from vidnas.core import Evaluation, Modality, UserError
from vidnas.families.architecture import Architecture
from vidnas.families.assemblenet.architecture import AssembleNet, StemKind
from vidnas.families.assemblenet.bounds import Bounds
from vidnas.families.assemblenet.guidance import exchange_edges, random_weights
from vidnas.families.assemblenet.mutation import MUTATIONS
from vidnas.families.assemblenet.sampling import random_network
from vidnas.families.mutating import Change, MutatingSpace, clip_sizes_px, pick

_FRAMES = (4, 6, 8, 12, 16, 24, 32, 48, 64)
_STEMS: dict[frozenset[Modality], tuple[StemKind, ...]] = {
    frozenset({"rgb"}): ("rgb", "rgb", "flow", "flow"),
    frozenset({"rgb", "flow"}): ("rgb", "rgb", "precomputed_flow", "precomputed_flow"),
}


class AssembleNetSpace(MutatingSpace[AssembleNet, Bounds]):
    """Graphs of two streams of appearance and two of motion, within bounds."""

    architecture = AssembleNet

    def draw(self, rng: np.random.Generator) -> AssembleNet:
        """Draw a network with many connections."""
        return random_network(rng, self.bounds)

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[AssembleNet, tuple[str, ...]]:
        """Exchange edges, then apply `strength` changes.

        The parent's connection weights decide which edges go. Without an evaluation, or with one
        that has no such weights, random ones do. Where every edge stays there is no phrase for it.
        """
        if not isinstance(parent, AssembleNet):
            raise TypeError(f"a {type(parent).__name__} is no AssembleNet")
        weights = evaluation.connection_weights if evaluation else {}
        weights = weights or random_weights(parent, rng)
        exchange = exchange_edges(parent, rng, weights, self.bounds.edge_threshold)
        genes, *said = exchange or ({},)
        rewired = parent.model_copy(update=genes)
        child, phrases = super().mutate(rewired, rng, evaluation, strength)
        while child.digest == parent.digest:  # the changes undid the exchange
            child, phrases = super().mutate(rewired, rng, evaluation, strength)
        return child, (*said, *phrases)

    def change(
        self, parent: AssembleNet, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Change one block, stem or gene."""
        return pick(rng, tuple(MUTATIONS.values()))(parent, rng, self.bounds)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""
        return isinstance(architecture, AssembleNet) and self.bounds.hold(architecture)


def space(
    *, max_size_px: int = 128, max_frames: int = 32, modalities: tuple[Modality, ...] = ("rgb",)
) -> AssembleNetSpace:
    """The default space for clips of up to this size and length.

    Motion is computed from the frames, or comes as a clip of optical flow.

    Raises:
        UserError: the clips are too small or too short, or there are no frames among them.
    """
    stems = _STEMS.get(frozenset(modalities))
    if stems is None:
        raise UserError(
            "AssembleNet connects streams of appearance and of motion, which cannot be made from "
            f"{' and '.join(modalities)}; use rgb, or rgb and flow."
        )
    if max_frames < 2:
        raise UserError(f"There is no motion in clips of {max_frames} frame(s); use 2 or more.")
    return AssembleNetSpace(
        Bounds(
            size_px=clip_sizes_px(max_size_px, max_frames),
            frames=tuple(count for count in _FRAMES if count <= max_frames) or (max_frames,),
            max_frames=max_frames,
            stems=stems,
        )
    )
