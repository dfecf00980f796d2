"""Temperatures and calibration errors against what they must be."""

from __future__ import annotations

import pytest
import torch

from vidnas.data.cache import ClipCache
from vidnas.training import MultiLabel, SingleLabel, Task, TrainingSettings, evaluate, train
from vidnas.training.calibration import calibration_error, fit_temperature


@pytest.fixture
def logits() -> torch.Tensor:
    """Logits of 4,000 videos with five clips each, all of which say the same."""
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(4000, 1, 4, generator=generator).expand(-1, 5, -1)


@pytest.mark.parametrize("factor", [0.2, 1.0, 7.0])
def test_the_temperature_undoes_what_made_logits_too_sure(
    logits: torch.Tensor, factor: float
) -> None:
    torch.manual_seed(0)
    one, several = SingleLabel(), MultiLabel()
    labels = torch.multinomial(one.scores(logits[:, 0]), 1)[:, 0]
    shown = torch.bernoulli(several.scores(logits[:, 0]))
    for task, truth in ((one, labels), (several, shown)):
        found = fit_temperature(factor * logits, truth, task)
        assert found == pytest.approx(factor, rel=0.07)
        before, after = (
            calibration_error(task.pooled(task.scores(factor * logits / divisor)), truth, task)
            for divisor in (1.0, found)
        )
        assert after < 0.02
        assert factor == 1.0 or after < before / 3


def test_no_temperature_near_it_has_a_smaller_loss() -> None:
    """Clips that disagree: the loss of their pooled scores is not a convex one."""
    torch.manual_seed(1)
    logits, labels, task = torch.randn(50, 3, 6), torch.randint(6, (50,)), SingleLabel()
    logits[torch.arange(50), :, labels] += 1.5

    def loss(temperature: float) -> float:
        return task.measure(task.pooled(task.scores(logits / temperature)), labels).loss

    found = fit_temperature(logits, labels, task)
    grid = torch.logspace(-1.3, 1.3, 400).tolist()
    assert loss(found) <= min(map(loss, grid)) + 3e-3  # of labels that are wrong once in 52


@pytest.mark.parametrize("task", [SingleLabel(), MultiLabel()])
@pytest.mark.parametrize("videos", [20, 2000])
def test_videos_that_are_all_right_do_not_make_a_model_sure_of_everything(
    task: Task, videos: int
) -> None:
    labels = torch.arange(videos) % 4
    logits = torch.nn.functional.one_hot(labels, 4)[:, None].float() * 8 - 4
    found = fit_temperature(logits, labels, task)
    scores = task.pooled(task.scores(logits / found))
    right = scores.gather(1, labels[:, None])
    assert right.mean() == pytest.approx(1 - 1 / (videos + 2), rel=0.01)
    assert 0.05 <= found <= 20


def test_the_error_is_the_gap_between_sure_and_right() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    labels = torch.tensor([0, 1, 1, 1])
    # Bins of a fifteenth: 0.9 twice, once right; 0.8 right; 0.7 right.
    expected = (2 * abs(0.9 - 0.5) + 0.2 + 0.3) / 4
    assert calibration_error(scores, labels, SingleLabel()) == pytest.approx(expected)
    shown = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 1]])
    each = (abs(1.8 - 1) + 0.2 + 0.3 + 0.2 + 0.2 + 0.3) / 8
    assert calibration_error(scores, shown, MultiLabel()) == pytest.approx(each)
    assert calibration_error(torch.ones(3, 1), torch.zeros(3, dtype=torch.long), SingleLabel()) == 0


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_calibrated_metrics_tell_what_a_network_knows_and_not_how_sure_it_is(
    cache: ClipCache, fresh, factor: float
) -> None:
    network = fresh()
    train(network, cache, TrainingSettings(epochs=8, batch_size=6), seed=0)
    known = evaluate(network, cache, "val", calibrated=True)
    assert known.loss < evaluate(network, cache, "val").loss
    for parameter in network.dense.parameters():
        parameter.data *= factor
    surer = evaluate(network, cache, "val", calibrated=True)
    assert surer.loss == pytest.approx(known.loss, rel=1e-3)
    assert surer.shares == known.shares
