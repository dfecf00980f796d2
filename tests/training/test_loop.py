"""What a training run respects: its budget, its deadline, its recipe; and that it learns."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from vidnas.core import NotFinite, UserError
from vidnas.families import create_network
from vidnas.families.evanet import EvaNet
from vidnas.families.evanet.module import Branch, Module
from vidnas.layers.convolution import ConvNorm
from vidnas.layers.frames import use_channels_last
from vidnas.training import DeadlineExceeded, TrainingSettings, evaluate, train
from vidnas.training.device import mixed_precision


def test_it_learns_what_holds_on_unseen_clips(cache, fresh):
    network = fresh()
    settings = TrainingSettings(epochs=30, batch_size=8, learning_rate=0.02)
    report = train(network, cache, settings, seed=0)
    assert not network.training
    assert evaluate(network, cache, "test").top1 >= 0.9
    assert report.validation == evaluate(network, cache, "val")
    assert report.history[-1].train_loss < report.history[0].train_loss
    mean, std = cache.statistics()
    assert torch.equal(network.normalizations[0].mean, mean)
    assert torch.equal(network.normalizations[0].std, std)


def test_the_same_seed_trains_the_same_network(cache, fresh):
    def trained(seed: int) -> torch.Tensor:
        network = fresh()
        train(network, cache, TrainingSettings(epochs=2), seed=seed)
        return network.dense.weight

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_the_mode_of_a_network_does_not_matter(cache):
    modules = (Module(branches=(Branch(kind="1x1"),)),) * 4
    mixing = EvaNet(size_px=16, frames=2, width=1 / 16, stem_conv="itgm", modules=modules)

    def trained(mode: bool) -> torch.Tensor:
        torch.manual_seed(0)
        network = create_network(mixing, len(cache.classes)).train(mode)
        train(network, cache, TrainingSettings(epochs=1), seed=0)
        return network.stem.conv.mixture

    assert torch.equal(trained(False), trained(True))


@pytest.mark.parametrize("epochs", [0.5, 1.5])
def test_part_of_an_epoch(cache, fresh, epochs):
    settings = TrainingSettings(epochs=epochs, batch_size=6)  # 4 batches an epoch
    report = train(fresh(), cache, settings, seed=0)
    assert report.epochs == epochs
    assert len(report.history) == int(np.ceil(epochs))


def test_time_budget_ends_within_an_epoch(cache, fresh):
    report = train(fresh(), cache, TrainingSettings(budget_s=1.0, batch_size=2), seed=0)
    assert 1.0 <= report.seconds < 10.0  # the machine may be busy
    assert report.history[-1].fraction == 1.0
    assert report.validation is not None


def test_the_nearer_of_two_budgets_ends_it(cache, fresh):
    report = train(fresh(), cache, TrainingSettings(epochs=2, budget_s=600), seed=0)
    assert report.epochs == 2


def test_deadline(cache, fresh):
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        train(fresh(), cache, TrainingSettings(epochs=1e6), seed=0, deadline=time.monotonic() + 0.5)
    assert time.monotonic() - began < 2.0


def test_loss_that_is_not_finite_ends_it(cache, fresh):
    settings = TrainingSettings(epochs=5, optimizer="sgd", learning_rate=1e30, clip_norm=None)
    with pytest.raises(NotFinite):
        train(fresh(), cache, settings, seed=0)


def test_weights_that_are_not_finite_are_found_when_tested(cache, fresh):
    network = fresh()
    torch.nn.init.constant_(network.dense.bias, torch.nan)
    with pytest.raises(NotFinite):
        evaluate(network, cache, "val")


def test_validations_are_spread_and_the_last_is_of_the_weights_that_are_kept(cache, fresh):
    network = fresh()
    report = train(network, cache, TrainingSettings(epochs=8, validations=4), seed=0)
    assert [r.epoch for r in report.history if r.validation] == [2, 4, 6, 8]
    assert report.validation == report.history[-1].validation
    assert evaluate(network, cache, "val") == report.validation


def test_a_last_batch_of_one_clip_is_left_out(cache, fresh):
    settings = TrainingSettings(epochs=1, batch_size=20)  # 21 training clips
    report = train(fresh(), cache, settings, seed=0)
    assert report.epochs == 1


def test_precision_follows_the_request(fresh):
    network, clip = fresh().eval(), torch.rand(2, 3, 2, 16, 16)
    with mixed_precision("bfloat16", torch.device("cpu")):
        assert network(clip).dtype == torch.bfloat16
    with mixed_precision("float32", torch.device("cpu")):
        assert network(clip).dtype == torch.float32


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there_is_named(cache, fresh, device):
    with pytest.raises(UserError, match=device):
        train(fresh(), cache, TrainingSettings(epochs=1), seed=0, device=device)
    with pytest.raises(UserError, match=device):
        evaluate(fresh(), cache, "val", device=device)


def test_depthwise_convolutions_stay_in_float32():
    layer = ConvNorm(4, 4, (3, 3), (2, 2), depthwise=True)
    clip = torch.randn(2, 4, 8, 8)
    expected = layer(clip)
    with mixed_precision("bfloat16", torch.device("cpu")):
        found = layer(clip)
    assert torch.equal(found, expected)


def test_channels_last_leaves_other_kernels_alone():
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3), torch.nn.Conv3d(4, 6, 3))
    use_channels_last(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert network[1].weight.is_contiguous()


def test_as_many_videos_validate_as_are_asked_for(cache, fresh):
    def validation(**asked):
        return train(fresh(), cache, TrainingSettings(epochs=1, **asked), seed=0).validation

    assert validation().clips == len(cache.videos("val"))
    assert validation(validated=2).clips == 2
    assert validation(validations=0) is None
