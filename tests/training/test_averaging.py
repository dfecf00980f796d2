"""What is averaged while a network trains, and the batch statistics of the average."""

from __future__ import annotations

import pytest
import torch

from vidnas.training import TrainingSettings, evaluate, train
from vidnas.training.averaging import averaged, settle
from vidnas.training.evaluation import predict_logits


def numbered(value: float) -> torch.nn.Module:
    """A network whose weights and batch statistics have one value, and whose counter does, too."""
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    for tensor in network.state_dict().values():
        tensor.fill_(value)
    return network


@pytest.mark.parametrize("decay", [0.5, 0.98])
def test_weights_are_averaged_with_a_rising_decay(decay):
    values = [8.0, 3.0, -4.0, 1.0, 6.0, 2.0, 5.0, 7.0]
    average, expected = averaged(numbered(99.0), decay), values[0]
    for step, value in enumerate(values):
        average.update_parameters(numbered(value))
        if step:
            rising = min(decay, (1 + step) / (10 + step))
            expected = rising * expected + (1 - rising) * value
        for weights in average.module.parameters():
            assert torch.allclose(weights, torch.full_like(weights, expected))
        for statistics in average.module.buffers():
            assert torch.equal(statistics, torch.full_like(statistics, value))


def test_no_averaging_keeps_the_last_weights():
    average = averaged(numbered(99.0), 0.0)
    for value in (8.0, 3.0, -4.0):
        average.update_parameters(numbered(value))
    for tensor in average.module.state_dict().values():
        assert torch.equal(tensor, torch.full_like(tensor, -4))


def test_what_is_kept_is_the_average(cache, fresh):
    def trained(averaging: float):
        network = fresh()
        settings = TrainingSettings(epochs=4, batch_size=6, averaging=averaging)
        report = train(network, cache, settings, seed=0)
        assert report.validation == evaluate(network, cache, "val")
        return network, report

    (last, plain), (mean, smooth) = trained(0.0), trained(0.98)
    # The same steps were taken, and another network is kept.
    assert [one.train_loss for one in plain.history] == [one.train_loss for one in smooth.history]
    assert not torch.equal(last.dense.weight, mean.dense.weight)
    assert not torch.equal(last.norm.running_var, mean.norm.running_var)


def test_statistics_are_those_of_the_averaged_weights():
    """Training saw weights that the average is none of: its statistics say nothing about them."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    for statistic in network[1].buffers():
        statistic.fill_(7)
    batches = torch.randn(3, 4, 1, 8, 8)
    settle(network.eval(), [(one,) for one in batches])
    with torch.no_grad():
        seen = [network[0](one).transpose(0, 1).flatten(1) for one in batches]
    norm = network[1]
    assert torch.allclose(norm.running_mean, torch.stack([x.mean(1) for x in seen]).mean(0))
    assert torch.allclose(norm.running_var, torch.stack([x.var(1) for x in seen]).mean(0))
    assert (norm.momentum, norm.training) == (0.1, False)


@pytest.mark.parametrize("validations", [0, 1])
def test_a_network_is_kept_with_the_statistics_of_its_own_weights(cache, fresh, validations):
    """After a few long steps, what training gathered is far from them."""
    network, videos = fresh(), len(cache.videos("train"))
    settings = TrainingSettings(
        epochs=6, batch_size=videos, learning_rate=0.05, warmup_steps=0, validations=validations
    )
    train(network, cache, settings, seed=0)
    seen: list[torch.Tensor] = []
    network.norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    predict_logits(network, cache, "train", batch_size=videos)
    var, mean = torch.var_mean(seen[0], (0, 2, 3))
    assert ((network.norm.running_mean - mean).abs() < 0.1 * var.sqrt()).all()
    assert torch.allclose(network.norm.running_var, var, rtol=0.2)
