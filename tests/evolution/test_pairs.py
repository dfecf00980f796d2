"""Which design stands for the other way to normalise clips."""

from __future__ import annotations

import pytest
from search_toys import toy_config

from vidnas.core import Evaluation
from vidnas.deploy.finalists import choose_finalists
from vidnas.evolution.ladder import Ladder
from vidnas.evolution.niches import Niches
from vidnas.evolution.pairs import Pairs
from vidnas.evolution.study import Study
from vidnas.evolution.trial import FLOOR, Proposal, Trial
from vidnas.families.tinyvideonet import Block, TinyVideoNet


def seen(way: str, width: int = 8, frames: int = 4) -> TinyVideoNet:
    genes = {"frames": frames, "size_px": 16, "blocks": (Block(filters=width),)}
    return TinyVideoNet.model_validate({**genes, "normalization": way})


def trials_of(*proposals: tuple[Proposal, tuple[float, ...]], floor: float = 0.0) -> list[Trial]:
    """Candidates by number, with their fitness on each rung that they climbed."""
    found = []
    for number, (proposal, fitness) in enumerate(proposals):
        first, *more = (
            Evaluation(status="ok", fitness=one, metrics={FLOOR: floor}) for one in fitness
        )
        trial = Trial(number, proposal, first, 0.0)
        for one in more:
            trial = trial.climbed(one, 0.0)
        found.append(trial)
    return found


def design(way: str, *fitness: float, **genes: int) -> tuple[Proposal, tuple[float, ...]]:
    return Proposal(seen(way, **genes), design=True), fitness


def child(way: str, parent: int, *fitness: float) -> tuple[Proposal, tuple[float, ...]]:
    return Proposal(seen(way, width=24), parent=parent), fitness


def other_way(best: Trial, trials: list[Trial]) -> Trial | None:
    return Pairs(trials).other_way(best, best.rung)


def test_it_is_the_twin_of_the_design_that_the_best_is_or_comes_from():
    trials = trials_of(
        design("clip", 0.2, 0.5),
        design("data", 0.3, 0.4, width=16),
        design("data", 0.1),
        child("clip", 0, 0.6, 0.7),
        child("clip", 3, 0.6, 0.7),
    )
    assert [other_way(trials[number], trials) for number in (0, 3, 4)] == [trials[2]] * 3
    assert other_way(trials[1], trials) is None  # drawn in one way


def test_those_that_were_compared_as_high_as_the_best_has_come_are_known():
    trials = trials_of(design("clip", 0.2, 0.5), design("data", 0.1, 0.3), child("clip", 0, 0.6))
    assert [other_way(one, trials) for one in trials] == [None] * 3
    higher = trials[2].climbed(trials[2].evaluation, 0.0).climbed(trials[2].evaluation, 0.0)
    assert other_way(higher, [*trials[:2], higher]) == trials[1]


def test_of_a_child_that_changed_its_way_it_is_the_parent():
    trials = trials_of(design("data", 0.3), design("clip", 0.2), child("data", 1, 0.4, 0.5))
    assert other_way(trials[2], trials) == trials[1]


@pytest.mark.parametrize(
    ("fitness", "floor", "hopes"),
    [
        ((0.17,), 0.0, True),  # of 0.4 on the same rung, whatever came later
        ((0.15,), 0.0, False),
        ((0.39, 0.3), 0.0, False),
        ((0.01,), 0.5, True),  # neither is told apart from guessing
        ((0.01,), 0.3, False),
        ((0.17,), 0.3, True),
    ],
)
def test_one_that_is_far_less_fit_on_the_same_rung_is_hopeless(fitness, floor, hopes):
    trials = trials_of(design("clip", 0.4, 0.8, 0.9), design("data", *fitness), floor=floor)
    assert (other_way(trials[0], trials) is not None) == hopes


def test_a_candidate_drawn_at_random_and_a_single_frame_have_none():
    random = Proposal(seen("clip")), (0.4, 0.5)
    assert other_way(*[(one := trials_of(random, design("data", 0.4)))[0], one]) is None
    alone = trials_of(design("clip", 0.4, 0.5, frames=1), design("data", 0.4, frames=1))
    assert other_way(alone[0], alone) is None


def test_one_that_failed_is_none():
    trials = trials_of(design("clip", 0.4, 0.5), design("data", 0.4))
    failed = trials[1].climbed(Evaluation(status="failed", reason="died"), 0.0)
    assert other_way(trials[0], [trials[0], failed]) is None


def ladder_of(trials: list[Trial]) -> Ladder:
    """A ladder on which the candidates climbed in the order of their birth."""
    ladder = Ladder(3, Niches())
    for one in trials:
        trial = Trial(one.number, one.proposal, one.evaluations[0], 0.0)
        ladder.observe(trial)
        for evaluation in one.evaluations[1:]:
            ladder.observe(trial := trial.climbed(evaluation, 0.0))
    return ladder


def earned(trials: list[Trial], *busy: int) -> list[int]:
    return [one.number for one in ladder_of(trials).earned({*busy})]


def test_the_twin_of_the_front_runner_climbs_as_high_and_not_a_smaller_one_that_learns_sooner():
    smaller, late = design("data", 0.25, width=16), design("data", 0.15)
    trials = trials_of(design("clip", 0.3, 0.5), smaller, late)
    assert earned(trials) == [2]
    assert earned(trials, 2) == []
    higher = trials_of(design("clip", 0.3, 0.5, 0.6), smaller, design("data", 0.15, 0.4))
    assert earned(higher) == [2]
    compared = trials_of(design("clip", 0.3, 0.5, 0.6), smaller, design("data", 0.15, 0.4, 0.7))
    assert earned(compared) == []


def test_the_twin_of_a_design_whose_child_leads_climbs_as_high():
    designs = design("clip", 0.3, 0.5), design("data", 0.25, width=16), design("data", 0.15)
    trials = trials_of(*designs, child("clip", 0, 0.5, 0.6, 0.7))
    assert earned(trials, 0) == [2]


def test_the_twin_goes_before_those_that_are_fitter_on_its_rung():
    fitter = [design("data", 0.25, 0.3, width=width) for width in (16, 20)]
    trials = trials_of(design("clip", 0.3, 0.5, 0.6), *fitter, design("data", 0.2, 0.25))
    assert earned(trials) == [3, 1]


def test_the_twin_climbs_beside_the_front_runner():
    trials = trials_of(design("clip", 0.3, 0.5), design("data", 0.2, 0.4))
    assert earned(trials) == []
    assert earned(trials, 0) == [1]
    assert earned(trials, 0, 1) == []
    assert earned(trials_of(design("clip", 0.3, 0.5), design("data", 0.2, 0.1)), 0) == []


def test_a_hopeless_twin_leaves_it_to_others_to_keep_up():
    smaller, hopeless = design("data", 0.25, width=16), design("data", 0.1)
    assert earned(trials_of(design("clip", 0.3, 0.5), smaller, hopeless)) == [1]


@pytest.mark.parametrize(
    ("workers", "second", "finished"),
    [(1, "clip", [0]), (2, "clip", [0, 1]), (2, "data", [0, 1]), (4, "clip", [0, 2, 1])],
)
def test_the_last_of_the_best_is_of_the_other_way(tmp_path, workers, second, finished):
    trials = trials_of(design("clip", 0.3, 0.5), design("data", 0.3), design(second, 0.4, width=16))
    with Study.create_or_resume(tmp_path / "study", toy_config(rungs=3)) as study:
        for one in trials:
            study.record(one.proposal, one.evaluations[0], 0.0)
            for evaluation in one.evaluations[1:]:
                study.climb(one.number, evaluation, 0.0)
        chosen = choose_finalists(study, 10.0, workers)
    assert [one.trial.number for one in chosen] == finished
