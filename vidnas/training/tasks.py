"""The task: what a network is asked about a video, and with it all that depends on the labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vidnas.data.balance import ClassWeights, imbalance_remark, is_imbalanced
from vidnas.data.cache import ClipCache
from vidnas.training.metrics import AnyMetrics, score, score_multi_label

Fitness = Literal["likelihood", "balanced_likelihood", "top1", "top5", "mean_class", "map"]
"""A validation metric that may be part of a candidate's fitness."""

_LARGEST_WEIGHT = 10.0  # a class of one video is not to lead every step that it is part of


@dataclass(frozen=True)
class Task(ABC):
    """How logits become scores, how far these are from the labels, and what ranks networks."""

    balanced: bool = False
    """Whether every class counts alike, however many videos it has."""

    multi_label: ClassVar[bool]
    activation: ClassVar[Literal["softmax", "sigmoid"]]
    """What turns logits into scores."""
    pooling: ClassVar[Literal["mean", "max"]]
    """What turns the scores of clips into those of their video."""

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """Return scores in [0, 1] for logits `(..., num_classes)`."""

    @abstractmethod
    def pooled(self, scores: Tensor) -> Tensor:
        """Return the scores of videos, `(N, num_classes)`, given those of their clips, `(N, K,
        num_classes)`."""

    @abstractmethod
    def targets(self, labels: Tensor, num_classes: int) -> Tensor:
        """Return what is right as shares, `(N, num_classes)`, for labels as the cache has them."""

    @abstractmethod
    def loss(
        self, logits: Tensor, targets: Tensor, *, smoothing: float, weights: Tensor | None
    ) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            logits: `(N, num_classes)`.
            targets: `(N, num_classes)`, possibly mixed from those of several clips.
            smoothing: share of a target that is spread over all classes.
            weights: what a video of each class counts, `(num_classes,)`; None for all the same.
        """

    @abstractmethod
    def answers(self, scores: Tensor) -> Tensor:
        """Return what a network decides, for scores `(N, num_classes)`: a row for each video."""

    @abstractmethod
    def measure(self, scores: Tensor, labels: Tensor) -> AnyMetrics:
        """Compare the scores of videos, `(N, num_classes)`, with labels as the cache has them."""

    @abstractmethod
    def fitness(self, of_family: tuple[Fitness, ...]) -> tuple[Fitness, ...]:
        """Return the metrics whose sum is a candidate's fitness, given those of its family."""


class SingleLabel(Task):
    """Which one of the classes does the video show?"""

    multi_label = False
    activation = "softmax"
    pooling = "mean"

    def scores(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes."""
        return logits.softmax(dim=-1)

    def pooled(self, scores: Tensor) -> Tensor:
        """Return the mean over the clips."""
        return scores.mean(dim=1)

    def targets(self, labels: Tensor, num_classes: int) -> Tensor:
        """Return one-hot rows for labels `(N,)`."""
        return F.one_hot(labels, num_classes).float()

    def loss(
        self, logits: Tensor, targets: Tensor, *, smoothing: float, weights: Tensor | None
    ) -> Tensor:
        """Return the cross-entropy; weights are those of videos: given to torch, they would also
        weigh the smoothing, which asked more of rare classes than of the right one."""
        losses = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
        return losses.mean() if weights is None else (losses * (targets @ weights)).mean()

    def answers(self, scores: Tensor) -> Tensor:
        """Return the most probable class, `(N,)`."""
        return scores.argmax(dim=1)

    def measure(self, scores: Tensor, labels: Tensor) -> AnyMetrics:
        """Compare probabilities with labels `(N,)`."""
        return score(scores, labels, headline="mean_class" if self.balanced else "top1")

    def fitness(self, of_family: tuple[Fitness, ...]) -> tuple[Fitness, ...]:
        """Return the family's; where classes count alike, what counts them alike instead."""
        if not self.balanced:
            return of_family
        return ("balanced_likelihood",) if "likelihood" in of_family else ("mean_class",)


class MultiLabel(Task):
    """Which of the classes does the video show, if any? Each is a question of its own."""

    multi_label = True
    activation = "sigmoid"
    pooling = "max"

    def scores(self, logits: Tensor) -> Tensor:
        """Return a probability for each class; they sum to anything."""
        return logits.sigmoid()

    def pooled(self, scores: Tensor) -> Tensor:
        """Return the maximum over the clips: a video shows what one of its clips shows.

        So is Charades tested by SlowFast (Feichtenhofer et al., arXiv 1812.03982; `ENSEMBLE_METHOD:
        max` in its published configurations)."""
        return scores.amax(dim=1)

    def targets(self, labels: Tensor, num_classes: int) -> Tensor:
        """Return the labels, `(N, num_classes)`; a single class, `(N,)`, is the only one shown."""
        return (F.one_hot(labels, num_classes) if labels.ndim == 1 else labels).float()

    def loss(
        self, logits: Tensor, targets: Tensor, *, smoothing: float, weights: Tensor | None
    ) -> Tensor:
        """Return the mean binary cross-entropy; weights count where a class is shown."""
        smoothed = targets * (1 - smoothing) + smoothing / logits.shape[1]
        return F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights)

    def answers(self, scores: Tensor) -> Tensor:
        """Return which classes are more probable than not, `(N, num_classes)`."""
        return scores > 0.5

    def measure(self, scores: Tensor, labels: Tensor) -> AnyMetrics:
        """Compare scores with labels `(N, num_classes)` or `(N,)`."""
        return score_multi_label(scores, self.targets(labels, scores.shape[1]))

    def fitness(self, of_family: tuple[Fitness, ...]) -> tuple[Fitness, ...]:
        """Return mAP: likelihood is mostly about how rare a class is, which all networks learn."""
        return ("map",)


def task_of(cache: ClipCache, class_weights: ClassWeights = "auto") -> Task:
    """Return the task that clips set.

    Args:
        cache: the clips; of imbalanced classes each counts alike, unless told otherwise.
        class_weights: tells otherwise. The mean over classes of several labels, mAP, counts them
            alike anyway, so that only "balanced" gives these weights in training.
    """
    if cache.multi_label:
        return MultiLabel(balanced=class_weights == "balanced")
    if class_weights == "auto":
        return SingleLabel(balanced=is_imbalanced(class_counts(cache)))
    return SingleLabel(balanced=class_weights == "balanced")


def task_remark(cache: ClipCache, class_weights: ClassWeights) -> str | None:
    """Say what was chosen for the user because classes are imbalanced; None where nothing was."""
    if cache.multi_label or class_weights != "auto":
        return None
    return imbalance_remark(cache.classes, class_counts(cache))


def class_counts(cache: ClipCache) -> list[int]:
    """Return how many training videos show each class."""
    labels = torch.from_numpy(cache.targets[cache.videos("train")])
    shown = MultiLabel().targets(labels, len(cache.classes)).sum(dim=0)
    return [int(count) for count in shown.tolist()]


def balanced_weights(cache: ClipCache) -> Tensor:
    """Return weights `(num_classes,)` that make up for the unequal sizes of the classes, at most
    ten times that of a class of the mean size."""
    counts = torch.tensor(class_counts(cache), dtype=torch.float32)
    return (counts.mean() / counts.clamp(min=1)).clamp(max=_LARGEST_WEIGHT)
