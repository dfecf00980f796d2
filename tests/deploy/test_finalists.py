"""The best of a search, cooled down from where they stand: who, how long, whatever is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from search_toys import FAMILY, Toy, toy_config

from vidnas.core import Cost, Evaluation, UserError, WorkerLost
from vidnas.data.cache import ClipCache, build_cache
from vidnas.data.datasets import load_dataset
from vidnas.data.demo import write_clips
from vidnas.deploy import finalists as room
from vidnas.deploy import load_model, save_model
from vidnas.deploy.card import ModelCard
from vidnas.deploy.finalists import (
    Finalist,
    choose_finalists,
    finished_models,
    ranked_models,
    train_finalists,
    trained_s,
)
from vidnas.deploy.kept_logits import logits_of
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.launcher import evaluation_seed
from vidnas.evolution.limits import Limits
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import STATES_FOLDER, Study
from vidnas.evolution.trial import Proposal
from vidnas.training import EpochReport, TrainingSettings, evaluate
from vidnas.training import train as train_really
from vidnas.training.evaluation import predict_logits

LIMITS = Limits(macs=1000)
RECIPE = TrainingSettings(epochs=1, batch_size=4, warmup_steps=0)
BUDGET_S = 0.4


# Who, and how long


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create_or_resume(tmp_path / "study", toy_config(LIMITS, rungs=3)) as study:
        yield study


def add(study: Study, fitness: float, macs: int, *times_s: float) -> None:
    """Record a candidate that climbed as many rungs as there are times."""
    cost = Cost(parameters=1, macs=macs, activation_bytes=1)
    outcomes = [
        Evaluation(status="ok", fitness=fitness, cost=cost, metrics={"training_s": seconds})
        for seconds in times_s
    ]
    trial = study.record(Proposal(Toy(widths=(len(study.trials) + 1,))), outcomes[0], 0.0)
    for outcome in outcomes[1:]:
        study.climb(trial.number, outcome, 0.0)


def budgets(finalists: Sequence[Finalist]) -> dict[int, float]:
    return {one.trial.number: one.budget_s for one in finalists}


def test_the_best_have_the_time_and_each_niche_has_one(study):
    add(study, 0.9, 900, 10.0, 20.0)  # 0: the best
    add(study, 0.8, 900, 10.0, 20.0)  # 1: the next
    add(study, 0.7, 900, 10.0, 20.0)  # 2: in the same niche as both
    add(study, 0.9, 300, 10.0, 20.0)  # 3: as good as the best, and younger
    add(study, 0.5, 100, 10.0, 20.0)  # 4: a niche of its own
    add(study, 0.49, 30, 10.0)  # 5: another, on the lowest rung: not worth offering
    add(study, 0.48, 30, 10.0)  # 6: the same
    study.record(Proposal(Toy(widths=(99,))), Evaluation(status="failed", reason="died"), 0.0)
    chosen = choose_finalists(study, 100.0, workers=2)
    # While one worker finishes 4, the other one has begun with the best.
    assert budgets(chosen) == pytest.approx({4: 9.0, 0: 100.0, 3: 91.0})
    assert [one.trial.number for one in chosen] == [4, 0, 3]
    assert trained_s(study.trials[0]) == 30


def test_the_cool_down_is_a_share_of_all_the_training(study):
    add(study, 0.9, 900, 10.0, 20.0)
    (trial,) = study.trials
    assert Finalist(trial, 270.0).cooldown == pytest.approx(1 / 3)  # 90 of 300 s
    assert Finalist(trial, 9.0).cooldown == 1


def test_where_nobody_climbed_the_niches_are_offered_as_they_are(study):
    add(study, 0.9, 900, 10.0)
    add(study, 0.5, 100, 10.0)
    assert budgets(choose_finalists(study, 10.0, workers=1)) == pytest.approx({1: 1.0, 0: 9.0})


@pytest.mark.parametrize("workers", [1, 2, 4, 16])
@pytest.mark.parametrize("budget_s", [1.0, 10.0, 1000.0])
def test_the_time_is_shared_out_whole(study, workers, budget_s):
    for number in range(12):
        add(study, 0.1 * number, 70 * number + 10, *[40.0] * (1 + number % 3))
    chosen = choose_finalists(study, budget_s, workers)
    rivals = chosen[-min(workers, 4) :]
    others = chosen[: -len(rivals)]
    assert len({one.trial.number for one in chosen}) == len(chosen)
    assert [one.trial for one in rivals] == study.fittest(min(workers, 4))
    ends_s = [0.0] * workers  # as an executor does: whoever is free takes the next
    for one in chosen:
        ends_s.sort()
        ends_s[0] += one.budget_s
        assert one in others or ends_s[0] == pytest.approx(budget_s)
    assert rivals[0].budget_s == max(one.budget_s for one in chosen)
    assert sum(one.budget_s for one in others) <= 0.1 * budget_s * workers + 1e-9
    for one in others:
        assert 0 < one.budget_s <= 0.3 * trained_s(one.trial)


def test_a_search_without_limits_has_no_niches(tmp_path):
    with Study.create_or_resume(tmp_path / "free", toy_config(rungs=3)) as study:
        for fitness in (0.1, 0.3, 0.2):
            add(study, fitness, 10, 1.0)
        assert budgets(choose_finalists(study, 50.0, workers=2)) == {1: 50.0, 2: 50.0}


# Finishing


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder / "clips", classes=("left", "right"), clips_per_class=10, size_px=32)
    return build_cache(load_dataset(folder / "clips"), size_px=16, directory=folder / "cache")


@pytest.fixture
def searched(study: Study, cache: ClipCache) -> Study:
    """A study of three candidates that have learned something."""
    settings = ClipEvaluation(training=RECIPE, rungs=3, clips=cache.settings(["rgb"]))
    states = StateFolder(study.folder / STATES_FOLDER)
    evaluator = ClipEvaluator(
        cache.directory, settings, Limits(), FAMILY, runtime="torch", states=states
    )
    for width in (4, 6, 8):
        toy = Toy(widths=(width,))
        outcome = evaluator.evaluate(toy, evaluation_seed(study.config.seed, toy), None)
        assert outcome.status == "ok"
        study.record(Proposal(toy), outcome, 0.0)
    return study


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[EpochReport]:
    """Every pass over the clips, as it was done: about nine in a second of a clock that does not
    depend on the machine; with a save after each, as slow networks do."""
    told: list[EpochReport] = []
    readings = count()
    clock = SimpleNamespace(monotonic=lambda: next(readings) / 100)
    monkeypatch.setattr("vidnas.training.loop.time", clock)

    def train(*arguments, **settings):
        return train_really(*arguments, on_epoch=told.append, **settings)

    monkeypatch.setattr(room, "train", train)
    monkeypatch.setattr("vidnas.training.loop._SAVE_EVERY_S", 0.0)
    return told


def finish(study: Study, cache: ClipCache, *numbers: int, budget_s: float = BUDGET_S, **told):
    finalists = [Finalist(study.trials[number], budget_s) for number in numbers]
    return train_finalists(finalists, study, cache, RECIPE, InlineExecutor(), **told)


def place(study: Study, number: int) -> Path:
    return study.folder / "models" / f"trial-{number}"


def state(study: Study, number: int) -> Path:
    digest = study.trials[number].architecture.digest
    return StateFolder(study.folder / STATES_FOLDER).file(digest)


def test_finalists_go_on_and_cool_down(searched, cache, passes):
    kept = {number: state(searched, number).read_bytes() for number in (0, 2)}
    models = finish(searched, cache, 0, 2)
    assert {model.card.trial for model in models} == {0, 2}
    ranks = [model.card.validation.rank for model in models]
    assert ranks == sorted(ranks, reverse=True)
    firsts = [one for one in passes if one.epoch <= 2]
    assert [one.epoch for one in firsts] == [2, 2]  # the first was on the ladder
    assert passes[-1].learning_rate < 0.3 * RECIPE.learning_rate
    for number in (0, 2):
        found = load_model(place(searched, number))
        (run,) = found.card.training_runs
        assert run.settings.budget_s == BUDGET_S
        assert run.settings.cooldown == Finalist(searched.trials[number], BUDGET_S).cooldown
        assert run.settings.recipe == RECIPE.recipe
        assert found.card.epochs > 1
        assert found.card.cost == searched.trials[number].evaluation.cost
        assert found.card.test.clips == len(cache.videos("test"))
        assert {path.name for path in place(searched, number).iterdir()} == {
            "README.md", "logits.safetensors", "model.json", "training-videos.txt",
            "weights.safetensors",
        }  # fmt: skip
        for split, metrics in (("val", found.card.validation), ("test", found.card.test)):
            kept_here = logits_of(found, cache, split, place(searched, number))
            asked = predict_logits(found.network, cache, split, clips_per_video=3)
            torch.testing.assert_close(kept_here, asked)
            assert metrics == evaluate(found.network, cache, split, clips_per_video=3)
        # What was learned on the ladder stays, should the search go on.
        assert state(searched, number).read_bytes() == kept[number]


def test_finished_models_are_kept_and_others_are_finished(searched, cache, passes):
    again: list[ModelCard] = []
    (first,) = finish(searched, cache, 1)
    written = (place(searched, 1) / "weights.safetensors").stat().st_mtime_ns
    passes.clear()
    models = finish(searched, cache, 1, 0, on_again=again.extend)
    assert (place(searched, 1) / "weights.safetensors").stat().st_mtime_ns == written
    assert next(one for one in models if one.card.trial == 1).card == first.card
    assert passes[0].epoch == 2 and passes[-1].fraction == 1
    assert sum(one.fraction == 1 for one in passes) == 1
    passes.clear()
    assert not again
    # Another time is asked for, which is said.
    rejudge(searched, 1, loss=99.0)
    written = (place(searched, 1) / "weights.safetensors").stat().st_mtime_ns
    finish(searched, cache, 1, budget_s=BUDGET_S / 2, on_again=again.extend)
    assert passes
    assert [card.trial for card in again] == [1]
    assert (place(searched, 1) / "weights.safetensors").stat().st_mtime_ns != written


def rejudge(study: Study, number: int, loss: float) -> None:
    """Change how sure validation found a finished network."""
    model = load_model(place(study, number))
    validation = model.card.validation.model_copy(update={"loss": loss})
    card = model.card.model_copy(update={"validation": validation})
    save_model(replace(model, card=card), place(study, number))


def test_of_two_finished_networks_the_better_stays(searched, cache, passes):
    finish(searched, cache, 1)
    rejudge(searched, 1, loss=0.0)
    before = {path.name: path.read_bytes() for path in place(searched, 1).iterdir()}
    passes.clear()
    (model,) = finish(searched, cache, 1, budget_s=BUDGET_S / 2)
    assert passes and model.card.validation.loss == 0.0
    after = {path.name: path.read_bytes() for path in place(searched, 1).iterdir()}
    assert after.pop("tried.json") and after == before
    # It is not tried again, unless it is another one by now.
    again: list[ModelCard] = []
    passes.clear()
    finish(searched, cache, 1, budget_s=BUDGET_S / 2, on_again=again.extend)
    assert not passes and not again
    rejudge(searched, 1, loss=99.0)
    (model,) = finish(searched, cache, 1, budget_s=BUDGET_S / 4)
    assert model.card.validation.loss < 99.0
    assert not (place(searched, 1) / "tried.json").exists()


@pytest.mark.parametrize("damage", [b"", b"[1]"])
def test_a_damaged_note_of_what_was_tried_costs_a_repetition(searched, cache, passes, damage):
    finish(searched, cache, 1)
    rejudge(searched, 1, loss=0.0)
    (place(searched, 1) / "tried.json").write_bytes(damage)
    passes.clear()
    finish(searched, cache, 1, budget_s=BUDGET_S / 2)
    assert passes
    passes.clear()
    finish(searched, cache, 1, budget_s=BUDGET_S / 2)
    assert not passes


def test_a_finished_network_whose_state_is_gone_stays(searched, cache, passes):
    """In the time of a cool-down, nothing that is trained anew would come as far."""
    finish(searched, cache, 0)
    rejudge(searched, 0, loss=99.0)
    state(searched, 0).unlink()
    before = (place(searched, 0) / "weights.safetensors").read_bytes()
    again: list[ModelCard] = []
    passes.clear()
    (model,) = finish(searched, cache, 0, budget_s=BUDGET_S / 2, on_again=again.extend)
    assert model.card.trial == 0 and not passes and not again
    assert (place(searched, 0) / "weights.safetensors").read_bytes() == before


class Killed(BaseException):
    pass


def test_a_finalist_that_was_killed_goes_on(searched, cache, passes, monkeypatch):
    def die(*arguments, **settings):
        def third(report: EpochReport) -> None:
            passes.append(report)
            if len(passes) == 3:
                raise Killed

        return train_really(*arguments, on_epoch=third, **settings)

    budget_s = 1.0
    with monkeypatch.context() as patch:
        patch.setattr(room, "train", die)
        with pytest.raises(Killed):
            finish(searched, cache, 2, budget_s=budget_s)
    before = list(passes)
    assert (place(searched, 2) / "training.checkpoint").exists()
    passes.clear()
    (model,) = finish(searched, cache, 2, budget_s=budget_s)
    assert passes[0].epoch == before[-1].epoch + 1
    assert passes[0].seconds > before[-1].seconds
    assert passes[-1].seconds == pytest.approx(budget_s, abs=0.15)  # of both; a pass takes 0.13
    assert model.card.epochs == passes[-1].epoch
    assert not (place(searched, 2) / "training.checkpoint").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_a_finalist_whose_worker_is_lost_goes_on_once(searched, cache, passes, monkeypatch, times):
    unlucky, epochs, left_out = searched.trials[0].architecture, [], []

    def train(network, *arguments, **settings):
        def lose(report: EpochReport) -> None:
            if network.architecture == unlucky:
                epochs.append(report.epoch)
                if len(epochs) <= times:
                    raise WorkerLost("took longer than 9 s")

        return train_really(network, *arguments, on_epoch=lose, **settings)

    monkeypatch.setattr(room, "train", train)
    models = train_finalists(
        [Finalist(searched.trials[number], BUDGET_S) for number in (0, 1)],
        searched, cache, RECIPE, InlineExecutor(),
        on_lost=lambda trial, error: left_out.append((trial.number, str(error))),
    )  # fmt: skip
    found = {model.card.trial for model in models}
    if times == 1:
        assert (found, left_out) == ({0, 1}, [])
        assert epochs[:2] == [2, 3]  # the first was on the ladder
    else:
        assert (found, left_out) == ({1}, [(0, "took longer than 9 s")])


@pytest.mark.parametrize("damaged", [False, True])
def test_a_finalist_without_a_usable_state_is_trained_anew(searched, cache, passes, damaged):
    if damaged:
        state(searched, 0).write_bytes(b"not a state")
    else:
        state(searched, 0).unlink()
    (model,) = finish(searched, cache, 0)
    assert passes[0].epoch == 1
    assert passes[0].learning_rate == RECIPE.learning_rate  # it cools at the end alone
    assert model.card.epochs == passes[-1].epoch


def test_one_that_cannot_be_finished_is_left_out(searched, cache, monkeypatch):
    def train(network, *arguments, **settings):
        if network.architecture == searched.trials[0].architecture:
            raise MemoryError("out of memory")
        return train_really(network, *arguments, **settings)

    monkeypatch.setattr(room, "train", train)
    with pytest.raises(UserError, match=r"could be finished \(trial 0: out of memory\)"):
        finish(searched, cache, 0)
    finalists, lost = [Finalist(searched.trials[number], BUDGET_S) for number in (0, 1)], []
    models = train_finalists(
        finalists, searched, cache, RECIPE, InlineExecutor(),
        on_lost=lambda trial, error: lost.append((trial.number, str(error))),
    )  # fmt: skip
    assert [model.card.trial for model in models] == [1]
    assert lost == [(0, "out of memory")]


def test_what_an_earlier_search_finished_may_still_win(searched, cache):
    def ranked() -> list[ModelCard]:
        models = ranked_models(finished_models(searched.folder), cache)
        return [model.card for model in models]

    (first,), (other,) = finish(searched, cache, 1), finish(searched, cache, 0)
    found = [first.card, other.card]
    assert ranked() == sorted(found, key=lambda card: card.validation.rank, reverse=True)
    of_other_clips = first.card.model_copy(update={"data": "others"})
    save_model(replace(first, card=of_other_clips), place(searched, 1))
    assert ranked() == [other.card]


def test_one_that_climbed_on_is_finished_from_there(searched, cache, passes):
    checkpoint = place(searched, 2) / "training.checkpoint"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"of a cool-down that was broken off")
    os.utime(checkpoint, (0, 0))
    finish(searched, cache, 2)
    assert passes[0].epoch == 2  # the first was on the ladder


def test_the_seed_of_a_finalist_is_that_of_its_candidate(searched, cache):
    """Else its state would be one of another training run."""
    torch.manual_seed(5)
    (model,) = finish(searched, cache, 1)
    (run,) = model.card.training_runs
    assert run.seed == evaluation_seed(searched.config.seed, searched.trials[1].architecture)


def test_files_of_a_network_go_where_another_takes_its_place(searched, cache, passes):
    finish(searched, cache, 1)
    for name in ("model.onnx", "model-int8.xml", "model-int8.bin", "notes.txt"):
        (place(searched, 1) / name).write_text("of the first")
    rejudge(searched, 1, loss=99.0)
    finish(searched, cache, 1, budget_s=BUDGET_S / 2)
    left = {path.name for path in place(searched, 1).iterdir()}
    assert "notes.txt" in left
    assert not left & {"model.onnx", "model-int8.xml", "model-int8.bin"}
