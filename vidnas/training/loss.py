"""What a training run minimises: how far predictions are from labels, and from a teacher's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidnas.data.cache import ClipCache
from vidnas.training.settings import TrainingSettings


class TrainingLoss(nn.Module):
    """Cross-entropy with smoothing and class weights, mixed with a teacher's where there is one
    (Hinton et al., arXiv 1503.02531, at temperature 1)."""

    def __init__(self, settings: TrainingSettings, cache: ClipCache) -> None:
        super().__init__()
        weight = balanced_weights(cache) if settings.class_weights == "balanced" else None
        self.labels = nn.CrossEntropyLoss(weight, label_smoothing=settings.label_smoothing)
        self.share = settings.distillation

    def forward(self, logits: Tensor, targets: Tensor, taught: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            logits: those of the network, `(N, num_classes)`.
            targets: probabilities, `(N, num_classes)`.
            taught: the teacher's probabilities, `(N, num_classes)`.
        """
        loss: Tensor = self.labels(logits, targets)
        if taught is None:
            return loss
        return torch.lerp(loss, F.cross_entropy(logits, taught), self.share)


def balanced_weights(cache: ClipCache) -> Tensor:
    """Return weights `(num_classes,)` that make up for the unequal sizes of the classes."""
    labels = torch.from_numpy(cache.targets[cache.videos("train")])
    counts = torch.bincount(labels, minlength=len(cache.classes))
    return len(labels) / (len(cache.classes) * counts.clamp(min=1))
