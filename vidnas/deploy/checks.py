"""What a network answers outside torch, on real clips, beside what it answers in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidnas.core.clip import CLIPS_PER_VIDEO, Squares
from vidnas.data.cache import ClipCache
from vidnas.data.sampling import spread, test_batches
from vidnas.data.splits import SPLITS, Split
from vidnas.deploy.kept_logits import kept_logits
from vidnas.deploy.model import Model
from vidnas.deploy.real_check import RealCheck
from vidnas.profiling.engines import Clips, Predict
from vidnas.training import AnyMetrics
from vidnas.training.evaluation import labels_of, predict_logits, to_input

_MOST_CALIBRATING = 128
MOST_CHECKED = 256
"""Videos of a split on which a file is compared with torch, since a file answers clip by clip."""
MOST_GUARDING = 512
"""Validation videos that guard int8, all of which are asked again for each layer that is put back
into float32."""
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Answers:
    """What torch answers on the clips of a split, evenly spaced over each video."""

    model: Model
    cache: ClipCache
    split: Split
    clips_per_video: int
    squares: Squares
    most: int | None
    """How many videos, evenly spread over the split; None for all."""
    targets: Tensor
    """The labels of the videos, as the cache has them."""
    logits: NDArray[np.float32]
    """`(clips, classes)`."""

    @classmethod
    def of(
        cls,
        model: Model,
        cache: ClipCache,
        split: Split,
        *,
        clips_per_video: int | None = None,
        most: int | None = None,
        kept_in: Path | None = None,
    ) -> Answers:
        """Ask the model in torch, many clips at a time: several times as fast as one by one.

        Args:
            model: to be asked.
            cache: with the clips.
            split: to look at.
            clips_per_video: of one square each; None for what the model looks at.
            most: see the field.
            kept_in: folder of the model, where what it says may be kept.

        Raises:
            NotFinite: the model predicts numbers that are not finite.
        """
        count, squares = clips_per_video or model.card.clips_per_video, model.card.squares
        if clips_per_video is not None:
            squares = 1
        kept = None
        if kept_in is not None and (count, squares) == (CLIPS_PER_VIDEO, 1):
            kept = kept_logits(model, cache, split, kept_in)
        if kept is not None:
            said = kept[spread(np.arange(len(kept)), most)]
        else:
            said = predict_logits(
                model.network, cache, split, clips_per_video=count, squares=squares, most=most
            )
        targets, logits = labels_of(cache, split, most), said.flatten(0, 1).numpy()
        return cls(model, cache, split, count, squares, most, targets, logits)

    @property
    def clips(self) -> Iterator[Clips]:
        """Each of a batch of one; read anew, because they may be more than fit into memory."""
        return self._clips_from(0)

    def clip(self, index: int) -> Clips:
        """Read one of them."""
        return next(self._clips_from(index))

    def _clips_from(self, first: int) -> Iterator[Clips]:
        return real_clips(
            self.model,
            self.cache,
            self.split,
            clips_per_video=self.clips_per_video,
            squares=self.squares,
            most=self.most,
            first=first,
        )

    def compare(self, predict: Predict) -> RealCheck:
        """Ask the same network elsewhere, and compare."""
        other = np.concatenate([predict(one) for one in self.clips])
        differences = np.abs(other - self.logits)
        metrics, here = self._measure(other), self._measure(self.logits)
        return RealCheck(
            split=self.split,
            videos=len(self.targets),
            clips=len(self.logits),
            largest_difference=float(differences.max()),
            mean_difference=float(differences.mean()),
            largest_logit=float(np.abs(self.logits).max()),
            agreement=float((self._answers(other) == self._answers(self.logits)).mean()),
            metric=here.headline_name,
            accuracy=metrics.headline_share,
            torch_accuracy=here.headline_share,
        )

    def rightness(self, index: int, logits: NDArray[np.float32]) -> float:
        """Return how much of a clip's labels these logits `(1, classes)` tell, from 0 to 1."""
        task, label = self.model.card.task, self.targets[index // self._views]
        told = task.answers(task.scores(torch.from_numpy(logits)))[0]
        return float((told == label).float().mean())

    def headline(self, indices: Sequence[int], logits: NDArray[np.float32]) -> float:
        """Return the metric that ranks the model, of these logits `(clips, classes)` for the clips
        of these indices, each taken for a video of its own."""
        task, labels = self.model.card.task, self.targets[[i // self._views for i in indices]]
        return task.measure(task.scores(torch.from_numpy(logits)), labels).headline_share

    @property
    def _views(self) -> int:
        return self.clips_per_video * self.squares

    def _measure(self, logits: NDArray[np.float32]) -> AnyMetrics:
        task = self.model.card.task
        scores = task.scores(torch.from_numpy(logits))
        pooled = task.pooled(scores.view(-1, self._views, scores.shape[1]))
        return task.measure(pooled, self.targets)

    def _answers(self, logits: NDArray[np.float32]) -> NDArray[np.bool_ | np.int64]:
        task = self.model.card.task
        return task.answers(task.scores(torch.from_numpy(logits))).numpy()


def real_checks(
    model: Model, cache: ClipCache, predict: Predict, kept_in: Path | None = None
) -> tuple[RealCheck, ...]:
    """Ask the network elsewhere on clips that chose it, and on some that chose nothing; what it
    says in torch may be kept in its folder."""
    splits = [split for split in SPLITS if split != "train" and len(cache.videos(split))]
    asked = (
        Answers.of(model, cache, split, most=MOST_CHECKED, kept_in=kept_in) for split in splits
    )
    return tuple(answers.compare(predict) for answers in asked)


def real_clips(
    model: Model,
    cache: ClipCache,
    split: Split,
    *,
    clips_per_video: int = 1,
    squares: Squares = 1,
    most: int | None = None,
    first: int = 0,
) -> Iterator[Clips]:
    """Yield the evenly spaced clips of the videos of a split, or of no more than so many, one at a
    time, as networks take them: `(1, C, T, H, W)` in [0, 1]."""
    batches = test_batches(
        cache,
        split,
        model.architecture.inputs,
        batch_size=1,
        clips_per_video=clips_per_video,
        squares=squares,
        most=most,
        first=first,
    )
    for clips, _, _ in batches:
        yield [np.ascontiguousarray(to_input(clip, _CPU).numpy()) for clip in clips]


class TrainingClips:
    """Training clips that show which values occur in a network, evenly spread over the training
    videos; read anew, because they may be more than fit into memory."""

    def __init__(self, model: Model, cache: ClipCache) -> None:
        self._model, self._cache = model, cache

    def __len__(self) -> int:
        return min(len(self._cache.videos("train")), _MOST_CALIBRATING)

    def __getitem__(self, index: int) -> Clips:
        found = real_clips(self._model, self._cache, "train", most=_MOST_CALIBRATING, first=index)
        return next(found)
