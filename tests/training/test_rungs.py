"""Rungs: a training run is measured on its way and may end there."""

from __future__ import annotations

import torch

from vidnas.training import Metrics, TrainingSettings, evaluate, train

SETTINGS = TrainingSettings(epochs=4, batch_size=6, rungs=(0.125, 0.5))  # 4 batches an epoch


def test_a_run_that_continues_is_the_same_as_without_rungs(cache, fresh):
    seen: list[Metrics] = []
    watched, unwatched = fresh(), fresh()
    report = train(watched, cache, SETTINGS, seed=0, continues=lambda found: not seen.append(found))
    plain = SETTINGS.model_copy(update={"rungs": ()})
    assert train(unwatched, cache, plain, seed=0).validation == report.validation
    assert torch.equal(watched.dense.weight, unwatched.dense.weight)
    assert len(seen) == 2
    assert seen[0] != seen[1]
    assert (report.epochs, report.spent) == (4, 1)


def test_it_ends_at_the_rung_where_it_is_told_to(cache, fresh):
    answers = iter((True, False))
    network = fresh()
    report = train(network, cache, SETTINGS, seed=0, continues=lambda found: next(answers))
    assert (report.epochs, report.spent) == (2, 0.5)
    assert report.validation == evaluate(network, cache, "val")
    assert not network.training


def test_a_rung_within_an_epoch_ends_it(cache, fresh):
    report = train(fresh(), cache, SETTINGS, seed=0, continues=lambda found: False)
    assert (report.epochs, report.spent) == (0.5, 0.125)
    assert report.history[-1].validation == report.validation


def test_rungs_that_one_step_jumps_over_are_all_told(cache, fresh):
    seen: list[Metrics] = []
    settings = SETTINGS.model_copy(update={"rungs": (0.01, 0.02, 0.03)})
    train(fresh(), cache, settings, seed=0, continues=lambda found: not seen.append(found))
    assert len(seen) == 3
    assert seen[0] == seen[2]


def test_the_best_weights_are_kept_where_it_was_stopped(cache, fresh):
    settings = SETTINGS.model_copy(update={"keep": "best", "validations": 4})
    answers = iter((True, False))
    network = fresh()
    report = train(network, cache, settings, seed=0, continues=lambda found: next(answers))
    assert report.validation == evaluate(network, cache, "val")
