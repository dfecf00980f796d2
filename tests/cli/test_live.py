"""What a running search says of a trial."""

from __future__ import annotations

import pytest

from vidnas.cli.live import trial_phrase
from vidnas.core import Evaluation


@pytest.mark.parametrize(
    ("fitness", "metrics", "said"),
    [
        (0.45, {"top1": 0.45}, "trial 7: 45.0%"),
        (1.25, {"top1": 0.45, "top5": 0.8}, "trial 7: 45.0%, fitness 1.25"),
        (1.25, {}, "trial 7: fitness 1.25"),
    ],
)
def test_only_an_accuracy_is_said_in_percent(
    fitness: float, metrics: dict[str, float], said: str
) -> None:
    evaluation = Evaluation(status="ok", fitness=fitness, metrics=metrics)
    assert trial_phrase(7, evaluation) == said
