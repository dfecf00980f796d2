"""How well a network classifies the videos of a split."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from vidnas.core.quantities import format_metric
from vidnas.core.value import Value
from vidnas.training.confusion import Confusion

_SMALLEST_PROBABILITY = 1e-12  # keeps the loss finite where a network is certain and wrong


class _Judged(Value):
    """What all metrics of a split have; shares are between 0 and 1."""

    clips: int
    """Number of videos."""
    loss: float
    headline: str
    """Which metric ranks networks and is shown first."""

    @property
    def headline_share(self) -> float:
        """The value of that metric."""
        share: float = getattr(self, self.headline)
        return share

    @property
    def headline_name(self) -> str:
        """That metric as people call it: "top-1"."""
        return format_metric(self.headline)

    @property
    def likelihood(self) -> float:
        """The geometric mean of the probability that the right answer was given: the loss as a
        share, the greater the better."""
        return math.exp(-self.loss)

    @property
    def judged_loss(self) -> float:
        """The loss that goes with the headline."""
        return self.loss

    @property
    def accuracy(self) -> tuple[float, float]:
        """The key by which the more accurate is greater: the headline, then the lower loss that
        goes with it."""
        return (self.headline_share, -self.judged_loss)

    @property
    def rank(self) -> tuple[float, float]:
        """The key that orders trained networks, the greater the better."""
        return self.accuracy


class Metrics(_Judged):
    """How well a network tells the one class of each video."""

    headline: Literal["top1", "mean_class"] = "top1"
    loss: float
    """Mean cross-entropy of the predicted probabilities, without smoothing or weights."""
    class_loss: float | None = None
    """Mean over the classes that are present of their mean cross-entropy; None in old records."""
    top1: float
    top5: float
    """Top-n accuracy for n = min(5, number of classes)."""
    mean_class: float
    """Mean recall of the classes that are present."""
    confusion: Confusion
    """Number of videos of true class [row] that were taken for class [column]."""

    @property
    def balanced_likelihood(self) -> float:
        """The likelihood of a video of a class that was drawn first: all classes count alike."""
        return math.exp(-self._class_loss)

    @property
    def judged_loss(self) -> float:
        """The loss that goes with the headline, in which all classes may count alike."""
        return self._class_loss if self.headline == "mean_class" else self.loss

    @property
    def rank(self) -> tuple[float, float]:
        """The key that orders trained networks, the greater the better: the lower loss, then the
        headline. On the few videos of a validation split most networks are equally accurate."""
        return (-self.judged_loss, self.headline_share)

    @property
    def _class_loss(self) -> float:
        return self.loss if self.class_loss is None else self.class_loss

    @property
    def shares(self) -> dict[str, float]:
        """All accuracies by the names of their fields, the headline first."""
        names = {self.headline: None, "top1": None, "top5": None, "mean_class": None}
        return {name: getattr(self, name) for name in names}

    @property
    def recorded(self) -> dict[str, float]:
        """What a study keeps of them."""
        kept = {name: getattr(self, name) for name in ("top1", "top5", "mean_class", "loss")}
        kept["likelihood"] = self.likelihood
        if self.headline == "mean_class":
            kept["balanced_likelihood"] = self.balanced_likelihood
        return kept


class MultiLabelMetrics(_Judged):
    """How well a network tells which classes each video shows, if any."""

    headline: Literal["map"] = "map"
    loss: float
    """Mean binary cross-entropy over all videos and classes, without smoothing or weights."""
    map: float
    """Mean average precision: the mean over the classes that occur, as Charades is evaluated."""
    average_precision: tuple[float | None, ...]
    """Of each class; None where no video shows it."""
    positives: tuple[int, ...]
    """Number of videos that show each class."""

    @property
    def shares(self) -> dict[str, float]:
        """All shares by the names of their fields, the headline first."""
        return {"map": self.map}

    @property
    def recorded(self) -> dict[str, float]:
        """What a study keeps of them."""
        return {"map": self.map, "loss": self.loss, "likelihood": self.likelihood}


AnyMetrics = Metrics | MultiLabelMetrics
"""What is measured depends on the task."""


def score(
    probabilities: Tensor, labels: Tensor, *, headline: Literal["top1", "mean_class"] = "top1"
) -> Metrics:
    """Compare predicted probabilities `(N, num_classes)` with true labels `(N,)`."""
    count, classes = probabilities.shape
    ranked = probabilities.argsort(dim=1, descending=True)
    hits = ranked == labels[:, None]  # (N, num_classes), one True per row
    confusion = torch.bincount(labels * classes + ranked[:, 0], minlength=classes**2)
    confusion = confusion.view(classes, classes)
    sizes = confusion.sum(dim=1)
    present = sizes > 0
    recalls = confusion.diagonal()[present] / sizes[present]
    of_truth = probabilities.gather(1, labels[:, None]).clamp(min=_SMALLEST_PROBABILITY)
    losses = -of_truth[:, 0].log()
    by_class = torch.zeros(classes, dtype=losses.dtype).index_add(0, labels, losses)
    return Metrics(
        headline=headline,
        clips=count,
        loss=losses.mean().item(),
        class_loss=(by_class[present] / sizes[present]).mean().item(),
        top1=hits[:, :1].any(dim=1).double().mean().item(),
        top5=hits[:, :5].any(dim=1).double().mean().item(),
        mean_class=recalls.double().mean().item(),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def score_multi_label(scores: Tensor, shown: Tensor) -> MultiLabelMetrics:
    """Compare scores `(N, num_classes)` in [0, 1] with what the videos show, 0 or 1, likewise.

    All videos count, those without any label as well, and of the classes those that occur, as in
    `Charades_v1_classify.m`, which Charades is published with (Sigurdsson et al., arXiv
    1604.01753).
    """
    found = [average_precision(one, truth) for one, truth in zip(scores.T, shown.T, strict=True)]
    occurring = [precision for precision in found if precision is not None]
    sure = torch.where(shown > 0, scores, 1 - scores).clamp(min=_SMALLEST_PROBABILITY)
    return MultiLabelMetrics(
        clips=len(scores),
        loss=-sure.log().mean().item(),
        map=sum(occurring) / max(len(occurring), 1),
        average_precision=tuple(found),
        positives=tuple(int(count) for count in shown.sum(dim=0).tolist()),
    )


def average_precision(scores: Tensor, shown: Tensor) -> float | None:
    """Return the average precision of one class, or None where no video shows it.

    Over the videos that show it, it is the mean of the precision among all that score as high or
    higher, without interpolation. Videos of equal scores are taken in together, so that their order
    does not matter, which the published code leaves to chance.

    Args:
        scores: of the videos, `(N,)`.
        shown: whether each shows the class, 0 or 1, `(N,)`.
    """
    own = scores[shown > 0]
    if not len(own):
        return None
    ascending, its = scores.sort().values, own.sort().values
    as_high = len(scores) - torch.searchsorted(ascending, its)
    right = len(own) - torch.searchsorted(its, its)
    return (right.double() / as_high.double()).mean().item()
