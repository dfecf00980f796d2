"""Candidates that go on from what they learned on the rungs below, or do without it."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from search_toys import FAMILY, Toy
from torch import Tensor

from vidnas.core import Evaluation, NotFinite, UserError
from vidnas.data.cache import ClipCache
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.evaluator import AdaptiveEvaluator, ClimbingEvaluator
from vidnas.evolution.limits import Limits
from vidnas.evolution.states import StateFolder
from vidnas.families import create_network
from vidnas.training import TrainingSettings, evaluate
from vidnas.training import train as train_really
from vidnas.training.checkpoint import TrainingState, save_checkpoint

TOY = Toy(widths=(8, 8))
SEED = 3


def evaluator_of(cache: ClipCache, states: Path | None, **training: object) -> ClipEvaluator:
    asked = TrainingSettings.model_validate({"epochs": 1, "batch_size": 4, **training})
    settings = ClipEvaluation(training=asked, rungs=3, clips=cache.settings(["rgb"]))
    folder = None if states is None else StateFolder(states)
    return ClipEvaluator(
        cache.directory, settings, Limits(), FAMILY, runtime="torch", states=folder
    )


@pytest.fixture
def evaluator(cache: ClipCache, tmp_path: Path) -> ClipEvaluator:
    return evaluator_of(cache, tmp_path / "states")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Epochs of every pass that a candidate was trained for, as it was done."""
    epochs: list[float] = []

    def train(*arguments, **settings):
        return train_really(
            *arguments, on_epoch=lambda report: epochs.append(report.epoch), **settings
        )

    monkeypatch.setattr("vidnas.evolution.clip_evaluator.train", train)
    return epochs


def climb(evaluator: ClipEvaluator, rung: int) -> Evaluation:
    return evaluator.at_rung(rung).evaluate(TOY, SEED, None)


def learned(evaluation: Evaluation) -> dict[str, float]:
    """What follows from the candidate and its rung, from wherever it was trained on."""
    assert evaluation.status == "ok", evaluation
    metrics, others = evaluation.metrics, ("new_epochs", "training_s", "validation_s")
    return {name: value for name, value in metrics.items() if name not in others}


def file_of(evaluator: ClipEvaluator) -> Path:
    assert evaluator.states is not None
    return evaluator.states.file(TOY.digest)


def test_a_candidate_climbs_from_where_it_stands(cache, evaluator, trained):
    assert isinstance(evaluator, ClimbingEvaluator) and isinstance(evaluator, AdaptiveEvaluator)
    outcomes = [climb(evaluator, rung) for rung in range(evaluator.rungs)]
    assert trained == [1, 2, 3, 4, 5, 6, 7, 8, 9]  # and not one of them twice
    assert [one.metrics["epochs"] for one in outcomes] == [1, 3, 9]
    assert [one.metrics["new_epochs"] for one in outcomes] == [1, 2, 6]
    assert [one.cost is not None for one in outcomes] == [True, False, False]
    without = evaluator_of(cache, None)
    assert [learned(one) for one in outcomes] == [learned(climb(without, r)) for r in range(3)]


def test_a_rung_that_was_climbed_and_not_recorded_is_not_climbed_again(evaluator, trained):
    first = climb(evaluator, 0)
    assert trained == [1]
    assert learned(climb(evaluator, 0)) == learned(first)
    second = climb(evaluator, 1)
    assert trained == [1, 2, 3]
    assert learned(climb(evaluator, 1)) == learned(second)
    assert trained == [1, 2, 3]


def spoil(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-900])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def turn_into_another_file(file: Path) -> None:
    torch.save({"mine": 1}, file)


def replace_by_another_recipe(file: Path) -> None:
    identity = {"architecture": TOY.digest, "settings": "another", "seed": "0"}
    learned: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "average": {}}
    save_checkpoint(file, identity, TrainingState(), learned)


@pytest.mark.parametrize(
    "accident",
    [Path.unlink, spoil, empty, turn_into_another_file, replace_by_another_recipe],
)
@pytest.mark.parametrize("rung", [0, 1])
def test_a_candidate_without_a_usable_state_is_trained_up_again(
    cache, evaluator, trained, accident: Callable[[Path], None], rung
):
    expected = learned(climb(evaluator_of(cache, None), rung))
    climb(evaluator, 0)
    accident(file_of(evaluator))
    trained.clear()
    assert learned(climb(evaluator, rung)) == expected
    assert trained == [1] if rung == 0 else [1, 2, 3]
    assert evaluator.states is not None
    assert evaluator.states.clear_aside() == (accident is not Path.unlink)  # to be said, once
    assert learned(climb(evaluator, rung)) == expected  # and has a state again
    assert len(trained) == 3**rung


def test_a_state_of_another_seed_is_not_taken_over(evaluator):
    climb(evaluator, 0)
    other = evaluator.evaluate(TOY, SEED + 1, None)
    assert learned(other) == learned(replace(evaluator, states=None).evaluate(TOY, SEED + 1, None))


def test_a_state_that_vanishes_as_it_is_read(evaluator, trained, monkeypatch):
    """The search removes states for which there is no room, also of one that climbs just now."""
    climb(evaluator, 0)
    read = torch.load

    def removed_first(path, **settings):
        path.unlink()
        return read(path, **settings)

    monkeypatch.setattr(torch, "load", removed_first)
    assert climb(evaluator, 1).status == "ok"
    assert trained == [1, 1, 2, 3]


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), MemoryError("no room")]
)
def test_a_state_that_the_machine_cannot_read_is_kept(evaluator, trained, monkeypatch, error):
    climb(evaluator, 0)
    with monkeypatch.context() as patch, suppress(UserError):
        patch.setattr(torch, "load", Mock(side_effect=error))
        assert climb(evaluator, 1).reason == "out of memory"
    assert climb(evaluator, 1).status == "ok"
    assert trained == [1, 2, 3]


def test_a_full_disk_is_no_fault_of_the_candidate(evaluator):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match=rf"{TOY.digest}\.state cannot be written \(.+free"):
            climb(evaluator, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(file_of(evaluator).parent.iterdir())
    assert climb(evaluator, 0).status == "ok"


def test_a_folder_that_cannot_be_made_is_no_fault_of_the_candidate(cache, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written \(.+\); free some space"):
        climb(evaluator_of(cache, tmp_path / "file" / "states"), 0)


def test_a_candidate_that_diverges_on_a_higher_rung_fails(evaluator, monkeypatch):
    climb(evaluator, 0)

    def diverges(*_, **__):
        raise NotFinite("The loss is nan.")

    monkeypatch.setattr("vidnas.evolution.clip_evaluator.train", diverges)
    outcome = climb(evaluator, 1)
    assert (outcome.status, outcome.reason) == ("failed", "NotFinite: The loss is nan.")


def test_a_rung_has_the_time_of_its_climb_or_of_all_up_to_it(cache, tmp_path, monkeypatch):
    evaluator = evaluator_of(cache, tmp_path, epochs=1, budget_s=10.0)
    asked: list[tuple[float | None, float | None]] = []

    def train(network, clips, settings, **others):
        asked.append((settings.epochs, settings.budget_s))
        return train_really(network, clips, settings, **others)

    monkeypatch.setattr("vidnas.evolution.clip_evaluator.train", train)
    for rung in range(3):
        climb(evaluator, rung)
    file_of(evaluator).unlink()
    climb(evaluator, 2)
    assert asked == [(1, 10), (3, 20), (9, 60), (9, 90)]


def test_how_long_a_rung_takes_is_known_where_time_ends_it(cache):
    evaluator = evaluator_of(cache, None, epochs=2, budget_s=10)
    first, second, third = (evaluator.seconds_at(rung) for rung in range(3))
    assert first == pytest.approx(10 * 1.1 + 2)  # with validation and measuring
    assert (second, third) == pytest.approx((20 * 1.1, 60 * 1.1))
    assert evaluator_of(cache, None, epochs=2).seconds_at(1) is None


def test_states_are_removed_from_the_least_promising_on(tmp_path):
    folder = StateFolder(tmp_path, most_bytes=35)
    for name in ("best", "good", "gone", "bad", "worst", "training"):
        folder.file(name).write_bytes(b"x" * 10)
    folder.file("gone").unlink()
    folder.make_room(["best", "gone", "good", "bad", "worst"], began_s=0)
    assert {file.stem for file in tmp_path.iterdir()} == {"best", "good", "training"}
    folder.make_room(["best", "good"], began_s=0)
    assert {file.stem for file in tmp_path.iterdir()} == {"best", "good", "training"}


def test_states_that_a_stop_left_in_training_go_first(tmp_path):
    folder = StateFolder(tmp_path, most_bytes=25)
    for name, changed_s in (("best", 1), ("good", 2), ("stopped", 3), ("training", 9)):
        folder.file(name).write_bytes(b"x" * 10)
        os.utime(folder.file(name), (changed_s, changed_s))
    folder.make_room(["best", "good"], began_s=5)
    assert {file.stem for file in tmp_path.iterdir()} == {"best", "training"}


def test_nobody_is_asked_who_is_promising_while_there_is_room(tmp_path):
    """The digests of thousands of candidates take seconds."""
    folder = StateFolder(tmp_path, most_bytes=25)
    folder.file("one").write_bytes(b"x" * 10)
    folder.make_room((pytest.fail("asked") for _ in range(1)), began_s=0)


def test_the_folder_of_states_may_be_on_another_path_in_a_copy(evaluator, tmp_path):
    """A study that was copied goes on: nothing in a state knows where it lies."""
    first = climb(evaluator, 0)
    assert evaluator.states is not None
    evaluator.states.path.rename(tmp_path / "moved")
    moved = replace(evaluator, states=StateFolder(tmp_path / "moved"))
    assert learned(climb(moved, 0)) == learned(first)


def test_weights_are_those_that_were_scored(evaluator, cache):
    outcome = climb(evaluator, 1)
    assert evaluator.states is not None
    network = create_network(TOY, 2)
    network.load_state_dict(evaluator.states.weights(TOY.digest, cache.fingerprint))
    assert evaluate(network, cache, "val", calibrated=True).loss == outcome.metrics["loss"]
    assert evaluator.states.weights("0" * 16, cache.fingerprint) == {}
