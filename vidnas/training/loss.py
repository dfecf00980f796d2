"""What a training run minimises: how far predictions are from labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidnas.data.cache import ClipCache
from vidnas.training.settings import TrainingSettings


class TrainingLoss(nn.Module):
    """Cross-entropy with smoothing and class weights."""

    def __init__(self, settings: TrainingSettings, cache: ClipCache) -> None:
        super().__init__()
        weight = balanced_weights(cache) if settings.class_weights == "balanced" else None
        self.labels = nn.CrossEntropyLoss(weight, label_smoothing=settings.label_smoothing)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            logits: those of the network, `(N, num_classes)`.
            targets: probabilities, `(N, num_classes)`.
        """
        loss: Tensor = self.labels(logits, targets)
        return loss


def balanced_weights(cache: ClipCache) -> Tensor:
    """Return weights `(num_classes,)` that make up for the unequal sizes of the classes."""
    labels = torch.from_numpy(cache.targets[cache.videos("train")])
    counts = torch.bincount(labels, minlength=len(cache.classes))
    return len(labels) / (len(cache.classes) * counts.clamp(min=1))
