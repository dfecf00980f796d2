"""Interrupted training runs resume as if nothing had happened, or say why they cannot."""

from __future__ import annotations

import errno

import pytest
import torch

from vidnas.core import UserError
from vidnas.data.augmentation import Augmentation
from vidnas.training import EpochReport, TrainingSettings, train


class Interruption(Exception):
    pass


def after(epochs: float):
    def interrupt(report: EpochReport) -> None:
        if report.epoch >= epochs:
            raise Interruption

    return interrupt


def recipe(**changes) -> TrainingSettings:
    usual = {
        "epochs": 4,
        "batch_size": 4,
        "augmentation": Augmentation(crop_scale_min=0.5, flip=True),
        "validations": 4,
        "keep": "best",
    }
    return TrainingSettings(**{**usual, **changes})


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_training_is_bit_identical(cache, fresh, tmp_path, optimizer, precision):
    settings = recipe(optimizer=optimizer, precision=precision, learning_rate=0.01)
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
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_finished_training_is_not_repeated(cache, fresh, tmp_path):
    settings, checkpoint = recipe(epochs=2), tmp_path / "done.pt"
    first = fresh()
    report = train(first, cache, settings, seed=0, checkpoint=checkpoint)

    def never(_: EpochReport) -> None:
        raise AssertionError("an epoch was trained")

    again = fresh(seed=1)
    repeated = train(again, cache, settings, seed=0, checkpoint=checkpoint, on_epoch=never)
    assert repeated == report
    assert torch.equal(first.dense.weight, again.dense.weight)


def test_time_budget_counts_over_resumptions(cache, fresh, tmp_path):
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


@pytest.mark.parametrize(
    ("change", "seed", "named"), [({"epochs": 5}, 0, "settings"), ({}, 1, "seed")]
)
def test_checkpoint_of_another_run_is_rejected(cache, fresh, tmp_path, change, seed, named):
    checkpoint = tmp_path / "other.pt"
    train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)
    with pytest.raises(UserError, match=rf"other\.pt .*differs in its .*{named}"):
        train(fresh(), cache, recipe(**{"epochs": 1, **change}), seed=seed, checkpoint=checkpoint)


def test_damaged_checkpoint_is_rejected(cache, fresh, tmp_path):
    checkpoint = tmp_path / "damaged.pt"
    train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)
    for content in (b"", b"not a checkpoint", checkpoint.read_bytes()[:-2000]):
        checkpoint.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged\.pt is not a checkpoint"):
            train(fresh(), cache, recipe(epochs=1), seed=0, checkpoint=checkpoint)


def test_full_disk_leaves_the_last_whole_checkpoint(cache, fresh, tmp_path, monkeypatch):
    checkpoint = tmp_path / "kept.pt"
    with pytest.raises(Interruption):
        train(fresh(), cache, recipe(), seed=0, checkpoint=checkpoint, on_epoch=after(1))
    whole = checkpoint.read_bytes()

    def half_written(_, path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half_written)
        with pytest.raises(OSError, match="No space"):
            train(fresh(), cache, recipe(), seed=0, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["kept.pt"]
