"""What a network that makes a given confusion matrix is measured to be."""

from __future__ import annotations

import torch

from vidnas.training.metrics import Metrics, score


def judged(confusion: list[list[int]], headline: str = "top1") -> Metrics:
    """The metrics of a network whose predictions make this confusion matrix."""
    pairs = [
        (row, column)
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        for _ in range(count)
    ]
    labels, taken = torch.tensor(pairs).T
    return score(torch.eye(len(confusion))[taken], labels, headline=headline)  # type: ignore[arg-type]
