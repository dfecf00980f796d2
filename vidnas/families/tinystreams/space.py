"""The multi-stream Tiny Video Networks that a search may visit."""

from __future__ import annotations

import numpy as np

from vidnas.core import Evaluation, Modality, UserError
from vidnas.families.architecture import Architecture
from vidnas.families.mutating import Change, MutatingSpace, pick
from vidnas.families.tinystreams.architecture import StreamModality, TinyStreams
from vidnas.families.tinystreams.bounds import Bounds
from vidnas.families.tinystreams.mutation import MUTATIONS
from vidnas.families.tinystreams.sampling import random_network


class TinyStreamsSpace(MutatingSpace[TinyStreams, Bounds]):
    """Multi-stream Tiny Video Networks within bounds."""

    architecture = TinyStreams

    def draw(self, rng: np.random.Generator) -> TinyStreams:
        """Draw streams and nodes; the network may lie outside the bounds."""
        return random_network(rng, self.bounds)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture is valid and within the bounds."""
        return isinstance(architecture, TinyStreams) and self.bounds.hold(architecture)

    def change(
        self, parent: TinyStreams, rng: np.random.Generator, evaluation: Evaluation | None
    ) -> Change | None:
        """Change a connection, a stream, a node or a gene of a block.

        Where the evaluation has learned weights, the weakest connection is the one replaced.
        """
        group = pick(rng, tuple(MUTATIONS.values()))
        weights = evaluation.connection_weights if evaluation else {}
        return pick(rng, tuple(group.values()))(parent, rng, self.bounds, weights)


def space(
    *, max_size_px: int = 128, max_frames: int = 32, modalities: tuple[Modality, ...] = ("rgb",)
) -> TinyStreamsSpace:
    """The default space for clips of up to this size and length, of RGB, of optical flow, or both.

    Raises:
        UserError: the clips are too small, have no frames, or are object maps.
    """
    streams: list[StreamModality] = []
    for modality in modalities:
        if modality == "objects":
            raise UserError(
                "Tiny Video Networks take rgb and flow, and no object maps; choose among these, "
                "or another family."
            )
        streams.append(modality)
    return TinyStreamsSpace(Bounds.for_clips(max_size_px, max_frames, modalities=tuple(streams)))
