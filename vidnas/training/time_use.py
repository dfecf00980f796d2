"""Whether a network uses time: what it gets right when the frames of its clips come in another
order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core.quantities import format_percent
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.data.sampling import Clips, spread
from vidnas.data.splits import Split
from vidnas.families import Network
from vidnas.training.evaluation import evaluate, labels_of
from vidnas.training.tasks import Task, task_of

_LEAST_COST = 0.02
"""Where shuffling costs less of the headline, the order of the frames hardly matters."""

MOST_REORDERED = 256
"""Videos of a split that are asked for, since every order asks the network as much as a test."""

_Order = Callable[[NDArray[np.float64]], NDArray[np.int64]]
"""Says which frames to show, `(N, T)`, given random numbers `(N, T)`."""


class TimeUse(Value):
    """The headline metric, between 0 and 1, by what was done to the frames of every clip."""

    shuffled: float
    """In random order."""
    frozen: float
    """The middle frame, repeated."""
    reversed: float
    """The last frame first."""
    videos: int | None = None
    """How many videos were asked for, evenly spread over the split; None for all."""
    as_is: float | None = None
    """Of these, with the frames as they are; None where it is that of the whole test."""

    def beside(self, whole: float) -> float:
        """Return what the others are to be compared with.

        Args:
            whole: the share of the whole split, with the frames as they are.
        """
        return whole if self.as_is is None else self.as_is

    def describe(self, whole: float, metric: str = "top-1") -> str:
        """Say all in one phrase.

        Args:
            whole: the share of the whole split, with the frames as they are.
            metric: what it is, as people call it.
        """
        some = f" of {self.videos} videos" if self.videos else ""
        return (
            f"{metric}{some} with frames as they are {format_percent(self.beside(whole))}, "
            f"reversed {format_percent(self.reversed)}, shuffled {format_percent(self.shuffled)}, "
            f"frozen {format_percent(self.frozen)}"
        )

    def warning(self, whole: float) -> str | None:
        """Say that the network does not need the order of the frames; None where it does.

        Args:
            whole: the share of the whole split, with the frames as they are.
        """
        cost = self.beside(whole) - self.shuffled
        if cost >= _LEAST_COST:
            return None
        costs = f"costs {100 * cost:.1f} points" if cost > 0 else "costs nothing"
        return (
            f"Shuffling the frames {costs}: this network looks at single frames, not at how one "
            "follows the other; where only motion should tell your classes apart, look for what "
            "else does, such as the background."
        )


def measure_time_use(
    network: Network,
    cache: ClipCache,
    split: Split,
    *,
    clips_per_video: int,
    rng: np.random.Generator,
    task: Task | None = None,
    device: str = "cpu",
    said: Tensor | None = None,
) -> TimeUse | None:
    """Measure a network on clips whose frames are shuffled, frozen and reversed.

    All inputs of a clip are reordered alike, so that their frames still belong together. Of a large
    split some videos are asked for, also with their frames as they are.

    Args:
        network: a trained one.
        cache: the clips.
        split: which of them.
        clips_per_video: as in the test that this is compared with.
        rng: draws an order for every clip.
        task: of the network; None for the one that the clips set.
        device: where to compute.
        said: the logits of the split with the frames as they are, `(videos, clips, num_classes)`,
            where they are known.

    Returns:
        None for a network that sees single frames.

    Raises:
        UserError: the split is empty, or the device does not exist.
        NotFinite: the network predicted numbers that are not finite.
    """
    if all(spec.frames == 1 for spec in network.architecture.inputs):
        return None

    some, task = len(cache.videos(split)) > MOST_REORDERED, task or task_of(cache)

    def share(order: _Order | None) -> float:
        if order is None and said is not None:
            known = task.scores(said[spread(np.arange(len(said)), MOST_REORDERED)])
            labels = labels_of(cache, split, MOST_REORDERED)
            return task.measure(task.pooled(known), labels).headline_share
        change = partial(_reorder, order=order, rng=rng) if order else None
        found = evaluate(
            network,
            cache,
            split,
            task=task,
            clips_per_video=clips_per_video,
            most=MOST_REORDERED,
            device=device,
            change=change,
        )
        return found.headline_share

    return TimeUse(
        shuffled=share(_shuffled),
        frozen=share(_frozen),
        reversed=share(_reversed),
        videos=MOST_REORDERED if some else None,
        as_is=share(None) if some else None,
    )


def _reorder(clips: Clips, *, order: _Order, rng: np.random.Generator) -> Clips:
    """Return the clips with their frames in another order."""
    longest = max(clip.shape[2] for clip in clips)
    drawn = rng.random((len(clips[0]), longest))
    return tuple(_take(clip, order(drawn[:, : clip.shape[2]])) for clip in clips)


def _take(clip: Tensor, frames: NDArray[np.int64]) -> Tensor:
    """Return clips `(N, C, T, H, W)` with these frames, `(N, T)`."""
    rows = torch.arange(len(clip))[:, None]
    return clip.transpose(1, 2)[rows, torch.from_numpy(frames)].transpose(1, 2)


def _shuffled(drawn: NDArray[np.float64]) -> NDArray[np.int64]:
    return drawn.argsort(axis=1)


def _frozen(drawn: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.full(drawn.shape, drawn.shape[1] // 2)


def _reversed(drawn: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.tile(np.arange(drawn.shape[1])[::-1], (len(drawn), 1))
