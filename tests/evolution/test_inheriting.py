"""Weights that children inherit."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from search_toys import FAMILY, Toy, ToyEvaluator, ToySpace, toy_config

from vidnas.core import Evaluation, UserError
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.engine import run_search
from vidnas.evolution.evaluator import AdaptiveEvaluator, Evaluator
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.limits import Limits
from vidnas.evolution.states import StateFolder
from vidnas.evolution.strategies import TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import create_network
from vidnas.training.settings import TrainingSettings

PARENT, CHILD = Toy(widths=(8, 8, 4)), Toy(widths=(8, 8, 6))


@pytest.fixture
def evaluator(cache, tmp_path) -> ClipEvaluator:
    settings = ClipEvaluation(
        training=TrainingSettings(epochs=9, batch_size=4),
        clips=cache.settings(["rgb"]),
        inherit=True,
    )
    states = StateFolder(tmp_path / "states")
    return ClipEvaluator(
        cache.directory, settings, Limits(), FAMILY, runtime="torch", states=states
    )


def learned_by(evaluator: ClipEvaluator, toy: Toy) -> dict[str, torch.Tensor]:
    data = ClipCache(evaluator.cache_directory).fingerprint
    return evaluator.states.weights(toy.digest, data)


def changed(evaluator: ClipEvaluator, inherit: bool = True, **training: object) -> ClipEvaluator:
    settings = evaluator.settings
    training = settings.training.model_copy(update=training)
    update = {"training": training, "inherit": inherit}
    return replace(evaluator, settings=settings.model_copy(update=update))


def test_a_child_starts_from_its_parents_weights(evaluator):
    evaluator = changed(evaluator, epochs=1, learning_rate=1e-9)
    first = evaluator.evaluate(PARENT, seed=1, deadline_s=None)
    heir = replace(evaluator, parent=PARENT).evaluate(CHILD, seed=2, deadline_s=None)
    assert (first.status, heir.status) == ("ok", "ok")
    assert first.metrics["inherited"] == 0.0
    parent, child = (
        [p.numel() for p in create_network(one, 2).parameters()] for one in (PARENT, CHILD)
    )
    assert heir.metrics["inherited"] == sum(map(min, parent, child)) / sum(child)
    learned, taken = (learned_by(evaluator, one) for one in (PARENT, CHILD))
    assert torch.allclose(taken["layers.0.weight"], learned["layers.0.weight"], atol=1e-6)
    assert torch.allclose(taken["layers.2.weight"][:4], learned["layers.2.weight"], atol=1e-6)


def test_a_birth_that_is_resumed_tells_again_what_it_inherited(evaluator):
    evaluator.evaluate(PARENT, seed=1, deadline_s=None)
    heir = replace(evaluator, parent=PARENT)
    born = heir.evaluate(CHILD, seed=2, deadline_s=None)
    learned = learned_by(evaluator, CHILD)
    resumed = heir.evaluate(CHILD, seed=2, deadline_s=None)
    assert resumed.metrics["inherited"] == born.metrics["inherited"] > 0
    assert resumed.fitness == born.fitness
    again = learned_by(evaluator, CHILD)
    assert all(torch.equal(again[name], learned[name]) for name in learned)


def spoil(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize("accident", [Path.unlink, spoil, lambda file: file.write_bytes(b"")])
def test_weights_that_cannot_be_used_are_done_without(evaluator, accident):
    evaluator.evaluate(PARENT, seed=1, deadline_s=None)
    accident(evaluator.states.file(PARENT.digest))
    orphan = replace(evaluator, parent=PARENT).evaluate(CHILD, seed=2, deadline_s=None)
    assert (orphan.status, orphan.metrics["inherited"]) == ("ok", 0.0)
    assert evaluator.states.clear_aside() == (accident is not Path.unlink)  # to be said, once
    assert evaluator.states.clear_aside() == 0
    assert [file.stem for file in evaluator.states.path.iterdir()] == [CHILD.digest]


def test_nothing_is_inherited_that_was_learned_from_other_clips(evaluator, tmp_path):
    """The child may be judged on some of them."""
    write_clips(tmp_path / "clips", classes=("left", "right"), clips_per_class=5, size_px=32)
    others = build_cache(load_dataset(tmp_path / "clips"), size_px=16, directory=tmp_path / "cache")
    evaluator.evaluate(PARENT, seed=1, deadline_s=None)
    elsewhere = replace(evaluator, cache_directory=others.directory, parent=PARENT)
    orphan = elsewhere.evaluate(CHILD, seed=2, deadline_s=None)
    assert (orphan.status, orphan.metrics["inherited"]) == ("ok", 0.0)
    assert evaluator.states.aside() == [PARENT.digest]


def test_weights_that_the_machine_cannot_read_are_kept(evaluator, monkeypatch):
    evaluator.evaluate(PARENT, seed=1, deadline_s=None)
    error = OSError(errno.EMFILE, "Too many open files")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", Mock(side_effect=error))
        with pytest.raises(UserError, match="Too many open files"):
            replace(evaluator, parent=PARENT).evaluate(CHILD, seed=2, deadline_s=None)
    assert learned_by(evaluator, PARENT)
    assert evaluator.states.aside() == []


def test_a_candidate_that_climbs_keeps_what_it_learned_itself(evaluator):
    evaluator = changed(evaluator, epochs=1)
    evaluator.evaluate(PARENT, seed=1, deadline_s=None)
    heir = replace(evaluator, parent=PARENT)
    heir.evaluate(CHILD, seed=2, deadline_s=None)
    before = learned_by(evaluator, CHILD)
    climbed = heir.at_rung(1).evaluate(CHILD, seed=2, deadline_s=None)
    assert "inherited" not in climbed.metrics
    assert climbed.metrics["epochs"] == 3
    assert not torch.equal(
        learned_by(evaluator, CHILD)["layers.0.weight"], before["layers.0.weight"]
    )


def test_a_search_that_inherits(evaluator, tmp_path):
    def search(evaluations: int) -> list[Trial]:
        strategy = TournamentEvolution(population=4, tournament=2)
        config = toy_config(strategy=strategy)
        with Study.create_or_resume(tmp_path / "study", config) as study:
            run_search(
                study, ToySpace(), evaluator, strategy, InlineExecutor(), evaluations=evaluations
            )
            return study.trials

    before = search(16)
    trials = search(18)
    assert trials[:16] == before
    heirs = [trial for trial in trials if trial.proposal.parent is not None]
    assert {trial.number for trial in heirs} > {16, 17}  # resumed, and the weights are there
    assert all(trial.evaluation.metrics["inherited"] > 0 for trial in heirs)


@dataclass(frozen=True)
class Listener(ToyEvaluator):
    """Says what it was told."""

    known: int = -1
    parent: int | None = None

    def for_candidate(self, proposal: Proposal, trials: Sequence[Trial]) -> Evaluator:
        return replace(self, known=len(trials), parent=proposal.parent)

    def evaluate(self, architecture, seed, deadline_s):
        outcome = super().evaluate(architecture, seed, deadline_s)
        told = {"known": self.known, "parent": -1 if self.parent is None else self.parent}
        return outcome.model_copy(update={"metrics": told})


def test_an_evaluator_is_told_what_the_study_knows(tmp_path):
    assert isinstance(Listener(), AdaptiveEvaluator)
    assert not isinstance(ToyEvaluator(), AdaptiveEvaluator)
    strategy = TournamentEvolution(population=3, tournament=2)
    with Study.create_or_resume(tmp_path / "study", toy_config(strategy=strategy)) as study:
        run_search(study, ToySpace(), Listener(), strategy, InlineExecutor(), evaluations=8)
        for trial in study.trials:
            parent = trial.proposal.parent
            told = {"known": trial.number, "parent": -1 if parent is None else parent}
            assert trial.evaluation.metrics == told


def test_a_study_is_not_resumed_with_another_switch(tmp_path):
    Study.create_or_resume(tmp_path, toy_config(evaluator={"inherit": False})).close()
    with pytest.raises(UserError, match="inherit"):
        Study.create_or_resume(tmp_path, toy_config(evaluator={"inherit": True}))


def test_adapting_names_the_parent(evaluator):
    parent = Trial(0, Proposal(PARENT), Evaluation(status="ok", fitness=0.0), 0.0)
    assert evaluator.for_candidate(Proposal(CHILD, parent=0), [parent]).parent == PARENT
    assert evaluator.for_candidate(Proposal(CHILD), [parent]).parent is None
