"""What every registered family promises, whoever wrote it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.utils._python_dispatch import TorchDispatchMode

import vidnas
from vidnas.core import UserError
from vidnas.families import (
    Architecture,
    Space,
    architecture_from_json,
    families,
    find_architecture,
    list_architectures,
)

SEARCHED = [name for name, family in families().items() if family.space is not None]
MAX_SIZE_PX, MAX_FRAMES = 48, 8


def space_of(name: str) -> Space:
    build = families()[name].space
    assert build is not None
    return build(max_size_px=MAX_SIZE_PX, max_frames=MAX_FRAMES)


def check_value(architecture: Architecture) -> None:
    """Promises of an architecture as a value."""
    again = architecture_from_json(architecture.to_json())
    assert again == architecture
    assert hash(again) == hash(architecture)
    canonical = architecture.canonical()
    assert canonical.canonical() == canonical
    assert canonical.digest == architecture.digest
    with pytest.raises(ValidationError, match="frozen"):
        architecture.__setattr__(next(iter(type(architecture).model_fields)), 1)


def check_diagram(architecture: Architecture) -> None:
    """Promises that the drawing relies on."""
    diagram = architecture.diagram()
    names = [box.name for box in diagram.boxes]
    assert len(set(names)) == len(names)
    assert {box.column for box in diagram.boxes} == set(range(len(diagram.columns)))
    assert {end for edge in diagram.edges for end in (edge.source, edge.target)} <= set(names)


class NoStridedPointwise(TorchDispatchMode):
    """Refuses strided 1x1 convolutions: see `vidnas.layers.convolution.subsample`."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator is torch.ops.aten.convolution.default:
            kernel, stride = args[1].shape[2:], args[3]
            assert math.prod(kernel) > 1 or math.prod(stride) == 1, "a strided 1x1 convolution"
        return operator(*args, **(kwargs or {}))


def check_shapes(architecture: Architecture) -> None:
    """Build without weights and run any batch."""
    with torch.device("meta"):
        network = architecture.build(num_classes=11).eval()
        clips = [torch.empty(spec.shape(batch=2)) for spec in architecture.inputs]
        canonical = architecture.canonical().build(num_classes=11)
    with NoStridedPointwise():
        assert network(*clips).shape == (2, 11)
    assert network.architecture == architecture
    assert network.num_classes == 11
    assert len(network.normalizations) == len(architecture.inputs)
    same = {name: tensor.shape for name, tensor in canonical.state_dict().items()}
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == same


@pytest.mark.parametrize("name", list_architectures())
def test_published_architecture(name: str) -> None:
    architecture = find_architecture(name)
    check_value(architecture)
    check_diagram(architecture)
    check_shapes(architecture)
    with torch.device("meta"):
        assert vidnas.create_network(name, num_classes=3).num_classes == 3


def test_names_are_unique_across_families() -> None:
    assert len(set(list_architectures())) == len(list_architectures())
    assert all(name == family.name for name, family in families().items())
    assert all(name == family.architecture.family for name, family in families().items())


@pytest.mark.parametrize("name", SEARCHED)
def test_random_architectures_and_their_children(name: str) -> None:
    rng, space = np.random.default_rng(0), space_of(name)
    for _ in range(15):
        parent = space.random(rng)
        child, phrases = space.mutate(parent, rng, strength=2)
        assert len(phrases) >= 2
        assert child.digest != parent.digest
        for architecture in (parent, child):
            assert space.contains(architecture)
            check_value(architecture)
            check_diagram(architecture)
            check_shapes(architecture)
            for spec in architecture.inputs:
                assert spec.size_px <= MAX_SIZE_PX
                assert (spec.frames - 1) * spec.frame_stride < MAX_FRAMES


@pytest.mark.parametrize("name", SEARCHED)
def test_the_generator_is_the_only_source_of_randomness(name: str) -> None:
    def walk(seed: int) -> list[str]:
        rng, space = np.random.default_rng(seed), space_of(name)
        parent = space.random(rng)
        child, phrases = space.mutate(parent, rng, strength=3)
        return [parent.to_json(), child.to_json(), *phrases]

    assert walk(5) == walk(5)
    assert walk(5) != walk(6)


@pytest.mark.parametrize("name", SEARCHED)
def test_bounds_are_json_and_stable(name: str) -> None:
    described = space_of(name).describe()
    assert json.loads(json.dumps(described)) == described
    assert space_of(name).describe() == described


@pytest.mark.parametrize("name", SEARCHED)
def test_networks_learn(name: str) -> None:
    rng, space = np.random.default_rng(3), space_of(name)
    for _ in range(3):
        torch.manual_seed(0)
        architecture = space.random(rng)
        network = architecture.build(num_classes=3).train()
        clips = [torch.rand(spec.shape(batch=4)) for spec in architecture.inputs]
        loss = torch.nn.functional.cross_entropy(network(*clips), torch.tensor([0, 1, 2, 0]))
        loss.backward()
        assert math.isfinite(loss.item())
        for weight_name, weight in network.named_parameters():
            assert weight.grad is not None, weight_name
            assert torch.isfinite(weight.grad).all(), weight_name


@pytest.mark.parametrize("name", SEARCHED)
def test_weights_are_drawn_from_torchs_generator(name: str) -> None:
    architecture = space_of(name).random(np.random.default_rng(4))
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(torch.cat([p.flatten() for p in architecture.build(3).parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_unknown_names_and_genes_are_named() -> None:
    with pytest.raises(UserError, match="'no_such_network'"):
        find_architecture("no_such_network")
    with pytest.raises(UserError, match="nonsense"):
        vidnas.create_network(list_architectures()[0], num_classes=2, nonsense=1)
