"""How far a run trains, at which rate, and which of its parameters decay."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vidnas.training import TrainingSettings, train
from vidnas.training.optimizer import build_optimizer


def test_the_rate_warms_up_and_stays():
    settings = TrainingSettings(epochs=10, learning_rate=1.0, warmup_steps=4)
    rates = [settings.learning_rate_at(step, step / 100) for step in (0, 1, 3, 4, 50, 100)]
    assert rates == pytest.approx([0.2, 0.4, 0.8, 1, 1, 1])
    assert TrainingSettings(epochs=1, warmup_steps=0, learning_rate=1).learning_rate_at(0, 0) == 1


def test_the_rate_falls_with_the_square_root_of_the_cooldown():
    settings = TrainingSettings(epochs=10, learning_rate=1.0, warmup_steps=0, cooldown=0.4)
    rates = [settings.learning_rate_at(9, spent) for spent in (0, 0.6, 0.7, 0.96, 1)]
    assert rates == pytest.approx([1, 1, 0.5, 1 - 0.9**0.5, 0])
    whole = settings.model_copy(update={"cooldown": 1.0})
    assert whole.learning_rate_at(9, 0.25) == pytest.approx(0.5)


def test_a_run_ends_cooled_down(cache, fresh):
    """The rate of a step follows from what is done before it, so the last is not quite zero."""
    settings = TrainingSettings(epochs=5, batch_size=6, warmup_steps=0, cooldown=0.4)
    report = train(fresh(), cache, settings, seed=0)  # 4 batches an epoch
    rates = [one.learning_rate / settings.learning_rate for one in report.history]
    ends = [1, 1, 1, 1 - (3 / 8) ** 0.5, 1 - (7 / 8) ** 0.5]
    assert rates == pytest.approx(ends)


def test_spent_is_the_larger_share():
    settings = TrainingSettings(epochs=10, budget_s=100)
    assert settings.spent(5, 10) == 0.5
    assert settings.spent(5, 80) == 0.8


def test_spent_counts_from_where_the_run_began():
    settings = TrainingSettings(epochs=10, budget_s=100)
    assert settings.spent(7, 0, began=4) == 0.5
    assert settings.spent(10, 0, began=10) == 1
    assert settings.spent(12, 0, began=11) == 1


def test_a_run_without_an_end_is_rejected():
    with pytest.raises(ValidationError, match="epochs, budget_s or both"):
        TrainingSettings()


def test_the_recipe_and_how_far_to_train_are_all_there_is():
    settings = TrainingSettings(epochs=1, calibrated=True)
    assert settings.recipe.keys() | settings.run.keys() == TrainingSettings.model_fields.keys()
    longer = TrainingSettings(epochs=9, budget_s=3, cooldown=1, validations=4)
    assert longer.recipe == settings.recipe
    assert longer.run != settings.run


@pytest.mark.parametrize("name", ["muon", "adamw", "sgd"])
def test_only_kernels_decay(fresh, name):
    network = fresh()
    settings = TrainingSettings(epochs=1, optimizer=name, weight_decay=0.3)
    kernels, others = build_optimizer(network, settings).param_groups
    assert {id(p) for p in kernels["params"]} == {id(network.conv.weight), id(network.dense.weight)}
    assert (kernels["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert len(kernels["params"]) + len(others["params"]) == len(list(network.parameters()))
