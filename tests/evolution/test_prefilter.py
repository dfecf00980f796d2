"""Candidates that score low before any training."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from search_toys import Toy

from vidnas.core import Evaluation
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.evolution.evaluator import ClipEvaluator
from vidnas.evolution.limits import Limits
from vidnas.evolution.prefilter import least_score
from vidnas.evolution.trial import Proposal, Trial
from vidnas.training.settings import TrainingSettings

TOY = Toy(widths=(8, 8))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> ClipCache:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder / "clips", classes=("left", "right"), clips_per_class=6, size_px=32)
    return build_cache(load_dataset(folder / "clips"), size_px=32, directory=folder / "cache")


@pytest.fixture
def evaluator(cache) -> ClipEvaluator:
    settings = TrainingSettings(epochs=1, batch_size=4)
    return ClipEvaluator(cache.directory, settings, Limits(), runtime="torch", prefilter=True)


def scored(*scores: float) -> list[Trial]:
    return [
        Trial(
            number,
            Proposal(TOY),
            Evaluation(status="rejected", reason="score", metrics={"score": score}),
            0.0,
        )
        for number, score in enumerate(scores)
    ]


def test_two_thirds_of_the_scores_are_enough():
    assert least_score(scored(7, 3, 1, 5, 2, 6, 4)) == 3
    assert least_score(scored(*[9] * 300, *[2] * 300)) == 2


def test_everybody_is_trained_before_enough_is_known():
    assert least_score(scored(1, 2, 3, 4, 5)) == -math.inf


def test_a_low_score_is_rejected_and_recorded(evaluator):
    trained = evaluator.evaluate(TOY, seed=1, deadline_s=None)
    assert trained.status == "ok"
    score = trained.metrics["score"]
    low = replace(evaluator, least_score=score + 1).evaluate(TOY, seed=1, deadline_s=None)
    assert low.status == "rejected"
    assert low.reason == f"score {score:.1f} < {score + 1:.1f}"
    assert low.metrics == {"score": score}


def test_without_the_prefilter_nothing_is_scored(evaluator):
    evaluation = replace(evaluator, prefilter=False).evaluate(TOY, seed=1, deadline_s=None)
    assert "score" not in evaluation.metrics


def test_the_bar_arrives_with_the_candidate(evaluator):
    informed = evaluator.informed(Proposal(TOY), scored(7, 3, 1, 5, 2, 6, 4))
    assert informed.least_score == 3
    evaluation = informed.evaluate(TOY, seed=1, deadline_s=None)
    assert evaluation.reason == "score 0.0 < 3.0"  # it has no units to switch on
