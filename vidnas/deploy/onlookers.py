"""How a network is asked about the newest frames of a stream: by whole clips, or step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np
from torch import Tensor

from vidnas.core import UserError
from vidnas.data.flow import Shown, no_motion
from vidnas.data.live_frames import Recent
from vidnas.deploy.model import Model
from vidnas.deploy.streaming import StreamingNetwork
from vidnas.deploy.timeline import Scores
from vidnas.deploy.windows import window_clips, window_of, window_scores


class Onlooker(Protocol):
    """Looks at the newest frames of a stream."""

    keep: int
    """How many of the newest frames it is given, once there are so many."""
    next: int
    """How many frames must have come before it looks again."""

    def look(self, recent: Recent) -> tuple[Scores, int]:
        """Return the scores, `(classes,)`, and how many pictures were passed over unseen."""


def onlooker_of(model: Model) -> Onlooker:
    """Return what looks at a stream for a model.

    A network that carries its past takes every frame once, where it looks at one square. All others
    compute whole clips: in torch, steps would save them no time. So do those that cannot stream,
    such as causal ones on frames that are spread over whole videos.
    """
    model.network.eval()
    contract = model.contract
    if model.network.carries_past and len(contract.inputs) == 1 and contract.squares == 1:
        with suppress(UserError):
            return StepByStep(model)
    return ClipByClip(model)


class ClipByClip:
    """Shows a network the newest clip, each time that its window has moved on."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.keep, self._hop = window_of(model.contract)
        self.next = self.keep
        self._seen = 0
        side = model.contract.stored_px
        blank = np.zeros((side, side, 3), np.uint8)
        still = None if model.contract.flow_method is None else no_motion(blank)
        _ask(model.network, model, [(blank, still)] * self.keep)  # the first time takes longest

    def look(self, recent: Recent) -> tuple[Scores, int]:
        """Look at the newest clip."""
        passed = max(0, recent.pictures[0] - self._seen - 1)
        self._seen, self.next = recent.came, recent.number + self._hop
        return _ask(self._model.network, self._model, recent.frames), passed


class StepByStep:
    """Gives a network that carries its past every frame once.

    Where frames came faster than it looks, it catches up; where it has missed some, it forgets the
    past and begins with the newest clip.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._network = StreamingNetwork(model.network)
        self._window = self.next = model.contract.inputs[0].span_frames
        self.keep = 2 * self._window
        self._seen = 0

    def look(self, recent: Recent) -> tuple[Scores, int]:
        """Take the frames that have come since it looked last."""
        passed, gone = 0, recent.number - len(recent.frames)
        if self.next - self._window < gone:
            passed = max(0, recent.pictures[-self._window] - self._seen - 1)
            self._network.reset()
            self.next = recent.number
        while self.next <= recent.number:
            end = self.next - gone
            scores = _ask(self._network, self._model, recent.frames[end - self._window : end])
            self._seen, self.next = recent.pictures[end - 1], self.next + self._network.hop
        return scores, passed


def _ask(network: Callable[..., Tensor], model: Model, frames: Sequence[Shown]) -> Scores:
    clips = window_clips(frames, model.contract)
    row: Scores = window_scores(model, network, clips)[0].double().numpy()
    return row
