"""What a space promises."""

from __future__ import annotations

import json
import math

import numpy as np
import torch

from vidnas.families import Architecture, Space, create_network
from vidnas.testing.architectures import check_architecture, check_canonical, check_network

_WALKS = 15
_MOST_STEPS = 40


class SpaceContract:
    """The promises of every space; a sub-class gives the fixture `space`."""

    def test_random_architectures_and_their_children(self, space: Space) -> None:
        rng = np.random.default_rng(0)
        for _ in range(_WALKS):
            parent = space.random(rng)
            child, phrases = space.mutate(parent, rng, strength=2)
            assert len(phrases) >= 2
            assert child.digest != parent.digest
            for architecture in (parent, child):
                assert space.contains(architecture)
                check_architecture(architecture)

    def test_designs_are_distinct_architectures_of_the_space(self, space: Space) -> None:
        designs = space.designs()
        assert len({design.digest for design in designs}) == len(designs)
        for design in designs:
            assert space.contains(design)
            check_architecture(design)
        assert space.designs() == designs

    def test_designs_that_follow_stay_in_the_space(self, space: Space) -> None:
        better = space.random(np.random.default_rng(0))
        for design in space.designs():
            assert space.follow(design, design) == design
            assert space.contains(space.follow(design, better))

    def test_smaller_designs_stay_in_the_space_and_come_to_an_end(self, space: Space) -> None:
        for design in space.designs():
            steps: list[Architecture] = [design]
            while smaller := space.smaller(steps[-1]):
                assert space.contains(smaller)
                check_architecture(smaller)
                steps.append(smaller)
                assert len(steps) < _MOST_STEPS
            assert len({one.digest for one in steps}) == len(steps)

    def test_the_generator_is_the_only_source_of_randomness(self, space: Space) -> None:
        def walk(seed: int) -> list[str]:
            rng, told = np.random.default_rng(seed), []
            for _ in range(_WALKS):
                parent = space.random(rng)
                child, phrases = space.mutate(parent, rng, strength=3)
                told += [parent.to_json(), child.to_json(), *phrases]
            return told

        assert walk(5) == walk(5)
        assert walk(5) != walk(6)

    def test_bounds_are_json_and_stable(self, space: Space) -> None:
        described = space.describe()
        assert json.loads(json.dumps(described)) == described
        assert space.describe() == described


class NetworkSpaceContract(SpaceContract):
    """The promises of spaces of networks; a sub-class gives the fixture `space`."""

    def test_networks_can_be_built(self, space: Space) -> None:
        rng = np.random.default_rng(0)
        for _ in range(_WALKS):
            parent = space.random(rng)
            child, _ = space.mutate(parent, rng, strength=2)
            check_network(parent)
            check_network(child)
            check_canonical(child)

    def test_designs_can_be_built(self, space: Space) -> None:
        for design in space.designs():
            check_network(design)

    def test_networks_learn(self, space: Space) -> None:
        rng = np.random.default_rng(3)
        for _ in range(3):
            torch.manual_seed(0)
            architecture = space.random(rng)
            network = create_network(architecture, num_classes=3).train()
            clips = [torch.rand(spec.shape(batch=4)) for spec in architecture.inputs]
            labels = torch.tensor([0, 1, 2, 0])
            loss = torch.nn.functional.cross_entropy(network(*clips), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            assert math.isfinite(loss.item())
            for name, weight in network.named_parameters():
                assert weight.grad is not None, name
                assert torch.isfinite(weight.grad).all(), name

    def test_weights_are_drawn_from_torchs_generator(self, space: Space) -> None:
        architecture = space.random(np.random.default_rng(4))
        states = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            states.append(
                torch.cat([p.flatten() for p in create_network(architecture, 3).parameters()])
            )
        assert torch.equal(states[0], states[1])
        assert not torch.equal(states[0], states[2])
