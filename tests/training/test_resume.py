"""Training runs go on from what was learned as if nothing had happened, or say why they cannot."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pytest
import torch

from vidnas.core import UserError
from vidnas.data.augmentation import Augmentation
from vidnas.training import EpochReport, TrainingSettings, evaluate, loop, train
from vidnas.training.checkpoint import learned_weights
from vidnas.training.errors import UnusableCheckpoint


class Interruption(Exception):
    pass


def after(epochs: float):
    def interrupt(report: EpochReport) -> None:
        if report.epoch >= epochs:
            raise Interruption

    return interrupt


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every pass, as a slow network does."""
    monkeypatch.setattr("vidnas.training.loop._SAVE_EVERY_S", 0.0)


def recipe(**changes) -> TrainingSettings:
    """21 clips: the last batch of four is of one clip, and is left out."""
    usual = {
        "epochs": 4,
        "batch_size": 4,
        "augmentation": Augmentation(crop_scale_min=0.5, flip=True, affine=0.1, mixup=0.2),
        "validations": 4,
    }
    return TrainingSettings(**{**usual, **changes})


def require_equal(found: torch.nn.Module, expected: torch.nn.Module) -> None:
    for name, value in expected.state_dict().items():
        assert torch.equal(value, found.state_dict()[name]), name


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "sgd"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_training_is_bit_identical(cache, fresh, tmp_path, eager, optimizer, precision):
    settings = recipe(optimizer=optimizer, precision=precision, learning_rate=0.01, cooldown=0.5)
    whole = fresh()
    expected = train(whole, cache, settings, seed=3)

    checkpoint = tmp_path / "half.pt"
    with pytest.raises(Interruption):
        train(fresh(), cache, settings, seed=3, checkpoint=checkpoint, on_epoch=after(2))
    torch.manual_seed(99)  # what happened meanwhile must not matter
    resumed = fresh(seed=5)
    seen: list[float] = []
    found = train(
        resumed,
        cache,
        settings,
        seed=3,
        checkpoint=checkpoint,
        on_epoch=lambda report: seen.append(report.epoch),
    )

    assert seen == [3, 4]
    assert found.validation == expected.validation
    assert [r.train_loss for r in found.history] == [r.train_loss for r in expected.history]
    require_equal(resumed, whole)


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_training_resumed_within_a_pass_is_bit_identical(
    cache, fresh, tmp_path, monkeypatch, steps
):
    """A pass over many clips takes longer than a machine may be lent for."""
    settings, checkpoint = recipe(learning_rate=0.01, cooldown=0.5), tmp_path / "within.pt"
    whole = fresh()
    expected = train(whole, cache, settings, seed=3)
    really = loop._Run._step

    def step(run, *arguments):
        if run.state.steps == steps:
            raise Interruption
        return really(run, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_SAVE_WITHIN_S", 0.0)
        patch.setattr(loop._Run, "_step", step)
        with pytest.raises(Interruption):
            train(fresh(), cache, settings, seed=3, checkpoint=checkpoint)
    torch.manual_seed(99)
    resumed, seen = fresh(seed=5), []
    found = train(
        resumed, cache, settings, seed=3, checkpoint=checkpoint,
        on_epoch=lambda report: seen.append(report.epoch),
    )  # fmt: skip
    assert seen == [1, 2, 3, 4][steps // 6 :]
    assert found.validation == expected.validation
    assert [r.train_loss for r in found.history] == [r.train_loss for r in expected.history]
    require_equal(resumed, whole)


def test_a_checkpoint_from_before_passes_were_cut_is_resumed(cache, fresh, tmp_path, eager):
    settings, checkpoint = recipe(), tmp_path / "earlier.pt"
    whole = fresh()
    train(whole, cache, settings, seed=3)
    with pytest.raises(Interruption):
        train(fresh(), cache, settings, seed=3, checkpoint=checkpoint, on_epoch=after(2))
    saved = torch.load(checkpoint, weights_only=True)
    for name in ("pass_began", "losses"):
        del saved["state"][name]
    torch.save(saved, checkpoint)
    resumed = fresh(seed=5)
    train(resumed, cache, settings, seed=3, checkpoint=checkpoint)
    require_equal(resumed, whole)


@pytest.mark.parametrize("killed_at", [None, 1, 2])
@pytest.mark.parametrize("optimizer", ["muon", "adamw", "sgd"])
def test_two_runs_are_bit_identical_to_one(cache, fresh, tmp_path, eager, optimizer, killed_at):
    """To two epochs, then to six, like a candidate that climbs a rung; or killed on the way."""
    settings = recipe(optimizer=optimizer, epochs=6, validations=1)
    whole = fresh()
    expected = train(whole, cache, settings, seed=3)

    checkpoint, first = tmp_path / "candidate.state", settings.model_copy(update={"epochs": 2})
    if killed_at is not None:
        with pytest.raises(Interruption):
            train(fresh(), cache, first, seed=3, checkpoint=checkpoint, on_epoch=after(killed_at))
    lower = train(fresh(), cache, first, seed=3, checkpoint=checkpoint)
    assert (lower.epochs, lower.validation) == (2, lower.history[-1].validation)
    torch.manual_seed(99)
    climbed = fresh(seed=5)
    found = train(climbed, cache, settings, seed=3, checkpoint=checkpoint)

    assert (found.epochs, found.validation) == (6, expected.validation)
    assert [report.epoch for report in found.history] == [3, 4, 5, 6]
    assert [r.train_loss for r in found.history] == [r.train_loss for r in expected.history[2:]]
    require_equal(climbed, whole)


def test_a_run_goes_on_from_one_that_was_killed(cache, fresh, tmp_path, eager):
    settings, checkpoint = recipe(epochs=6, validations=1), tmp_path / "candidate.state"
    whole = fresh()
    train(whole, cache, settings, seed=3)
    with pytest.raises(Interruption):
        first = settings.model_copy(update={"epochs": 3})
        train(fresh(), cache, first, seed=3, checkpoint=checkpoint, on_epoch=after(2))
    resumed = fresh()
    found = train(resumed, cache, settings, seed=3, checkpoint=checkpoint)
    assert [report.epoch for report in found.history] == [3, 4, 5, 6]
    require_equal(resumed, whole)


def test_a_cooldown_goes_on_from_where_the_network_stands(cache, fresh, tmp_path):
    settings = recipe(epochs=2, validations=1, warmup_steps=0)
    checkpoint = tmp_path / "finalist.state"
    train(fresh(), cache, settings, seed=0, checkpoint=checkpoint)
    cooling = settings.model_copy(update={"epochs": 4, "cooldown": 1.0})
    report = train(fresh(), cache, cooling, seed=0, checkpoint=checkpoint)
    assert [one.epoch for one in report.history] == [3, 4]
    rates = [one.learning_rate / settings.learning_rate for one in report.history]
    # Six batches a pass, of which the last is left out.
    assert rates == pytest.approx([1 - (4 / 12) ** 0.5, 1 - (10 / 12) ** 0.5])


def test_finished_training_is_not_repeated(cache, fresh, tmp_path):
    settings, checkpoint = recipe(epochs=2), tmp_path / "done.pt"
    first = fresh()
    report = train(first, cache, settings, seed=0, checkpoint=checkpoint)

    def never(_: EpochReport) -> None:
        raise AssertionError("an epoch was trained")

    again = fresh(seed=1)
    repeated = train(again, cache, settings, seed=0, checkpoint=checkpoint, on_epoch=never)
    assert repeated == report
    require_equal(again, first)
    assert evaluate(again, cache, "val") == report.validation


def test_a_network_that_is_further_already_is_not_trained(cache, fresh, tmp_path):
    settings, checkpoint = recipe(epochs=3, validations=1), tmp_path / "ahead.pt"
    ahead = train(fresh(), cache, settings, seed=0, checkpoint=checkpoint)
    shorter = settings.model_copy(update={"epochs": 2})
    report = train(fresh(), cache, shorter, seed=0, checkpoint=checkpoint)
    assert (report.epochs, report.history) == (3, ())
    assert report.validation == ahead.validation


def test_time_budget_counts_over_resumptions(cache, fresh, tmp_path, eager):
    settings, checkpoint = recipe(epochs=None, budget_s=2.0, validations=1), tmp_path / "timed.pt"

    seen: list[EpochReport] = []

    def interrupt(report: EpochReport) -> None:
        seen.append(report)
        if report.seconds > 1.0:
            raise Interruption

    with pytest.raises(Interruption):
        train(fresh(), cache, settings, seed=0, checkpoint=checkpoint, on_epoch=interrupt)
    report = train(fresh(), cache, settings, seed=0, checkpoint=checkpoint)
    assert report.seconds >= 2.0
    assert report.history[: len(seen)] == tuple(seen)
    fractions = [epoch.fraction for epoch in report.history]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert fractions[len(seen) - 1] > 0.45


def test_another_run_has_a_time_budget_of_its_own(cache, fresh, tmp_path):
    checkpoint, epochs = tmp_path / "timed.pt", [0.0]
    for budget_s in (0.5, 0.4):
        settings = recipe(epochs=None, budget_s=budget_s)
        report = train(fresh(), cache, settings, seed=0, checkpoint=checkpoint)
        assert report.seconds >= budget_s
        epochs.append(report.epochs)
    assert epochs[0] < epochs[1] < epochs[2]


def test_a_checkpoint_is_not_written_after_every_pass(cache, fresh, tmp_path):
    """Only every ten seconds and at the end: small networks pass over their clips in no time."""
    checkpoint, written = tmp_path / "seldom.pt", []
    train(
        fresh(), cache, recipe(), seed=0, checkpoint=checkpoint,
        on_epoch=lambda _: written.append(checkpoint.exists()),
    )  # fmt: skip
    assert written == [False, False, False, True]


@pytest.mark.parametrize(
    ("change", "seed", "named"),
    [({"learning_rate": 0.1}, 0, "settings"), ({"averaging": 0.0}, 0, "settings"), ({}, 1, "seed")],
)
def test_checkpoint_of_another_run_is_rejected(cache, fresh, tmp_path, change, seed, named):
    checkpoint = tmp_path / "other.pt"
    train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)
    with pytest.raises(UserError, match=rf"other\.pt .*differs in its .*{named}"):
        train(fresh(), cache, recipe(**{"epochs": 1, **change}), seed=seed, checkpoint=checkpoint)


def test_damaged_checkpoint_is_rejected(cache, fresh, tmp_path):
    checkpoint = tmp_path / "damaged.pt"
    train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)
    whole = checkpoint.read_bytes()
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"network": {}}, tmp_path / "part.pt")
    parts = {key: {} for key in ("identity", "network", "optimizer", "average")}
    torch.save({**parts, "state": {"pace": 3}}, tmp_path / "later.pt")
    foreign = [(tmp_path / name).read_bytes() for name in ("list.pt", "part.pt", "later.pt")]
    for content in (b"", b"not a checkpoint", whole[:-2000], *foreign):
        checkpoint.write_bytes(content)
        with pytest.raises(UnusableCheckpoint, match=r"damaged\.pt is not a checkpoint"):
            train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)
        with pytest.raises(UserError, match=r"damaged\.pt is not a checkpoint"):
            learned_weights(checkpoint, cache.fingerprint)


def test_what_was_learned_is_the_average_that_is_validated(cache, fresh, tmp_path):
    checkpoint, network = tmp_path / "parent.state", fresh()
    train(network, cache, recipe(), seed=0, checkpoint=checkpoint)
    child = fresh(seed=1)
    child.load_state_dict(learned_weights(checkpoint, cache.fingerprint))
    require_equal(child, network)


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """As on a disk with no more room than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_the_last_whole_checkpoint(cache, fresh, tmp_path, eager):
    checkpoint = tmp_path / "kept.pt"
    with pytest.raises(Interruption):
        train(fresh(), cache, recipe(), seed=0, checkpoint=checkpoint, on_epoch=after(1))
    whole = checkpoint.read_bytes()
    with (
        largest_file(len(whole) // 2),
        pytest.raises(UserError, match=r"kept\.pt cannot be written \(File too large\); free some"),
    ):
        train(fresh(), cache, recipe(), seed=0, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["kept.pt"]


def test_an_error_of_the_disk_is_told_with_its_reason(cache, fresh, tmp_path, monkeypatch):
    def half_written(_, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", half_written)
    checkpoint = tmp_path / "none.pt"
    with pytest.raises(UserError, match=r"none\.pt cannot be written \(No space left on device\)"):
        train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)
    assert not list(tmp_path.iterdir())
