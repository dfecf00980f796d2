"""What a training run minimises: how far predictions are from labels."""

from __future__ import annotations

from torch import Tensor, nn

from vidnas.data.cache import ClipCache
from vidnas.training.settings import TrainingSettings
from vidnas.training.tasks import Task, balanced_weights


class TrainingLoss(nn.Module):
    """The loss of a task, with smoothing and, where classes count alike, with their weights."""

    weights: Tensor | None

    def __init__(self, task: Task, settings: TrainingSettings, cache: ClipCache) -> None:
        super().__init__()
        self.task = task
        self.smoothing = settings.label_smoothing
        self.register_buffer("weights", balanced_weights(cache) if task.balanced else None)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, for logits and targets `(N, num_classes)`."""
        return self.task.loss(logits, targets, smoothing=self.smoothing, weights=self.weights)
