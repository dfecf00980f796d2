"""The score of networks that nobody trained."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from vidnas.families import Network, create_network, families
from vidnas.training.score import training_free_score


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return create_network("tvn1", num_classes=4)


@pytest.fixture(scope="module")
def clips(network) -> tuple[Tensor, ...]:
    (spec,) = network.architecture.inputs
    shape = (8, spec.channels, spec.frames, 32, 32)
    return (torch.randint(256, shape, dtype=torch.uint8, generator=torch.manual_seed(0)),)


def test_a_score_is_finite_and_leaves_the_network_and_the_generator_alone(network, clips):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.eval()
    generator = torch.random.get_rng_state()
    first = training_free_score(network, clips)
    assert math.isfinite(first)
    assert training_free_score(network, clips) == first
    assert not network.training
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), generator)


def test_a_dead_network_scores_less_than_a_live_one(network, clips):
    torch.manual_seed(0)
    dead = create_network(network.architecture, 4)
    with torch.no_grad():
        for parameter in dead.parameters():
            parameter.zero_()
    assert training_free_score(dead, clips) < training_free_score(network, clips)


def test_clips_that_are_all_alike_score_less(network, clips):
    alike = tuple(clip[:1].expand_as(clip) for clip in clips)
    assert training_free_score(network, alike) < training_free_score(network, clips)


@pytest.mark.parametrize("name", ["evanet", "assemblenet"])
def test_every_family_is_scored(name):
    rng = np.random.default_rng(0)
    space = families()[name].space(max_size_px=32, max_frames=8)
    architecture = space.random(rng)
    clips = tuple(
        torch.randint(256, (3, *spec.shape()[1:]), dtype=torch.uint8)
        for spec in architecture.inputs
    )
    assert training_free_score(create_network(architecture, 4), clips) > 0
