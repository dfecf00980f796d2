"""Along a lineage, what was learned of a node or a connection stays with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vidnas.families import Network, create_network, families
from vidnas.training.inheritance import inherit

GRAPHS = ["assemblenet", "tinystreams"]


def learned(network: Network) -> dict[str, float]:
    """Give every connection a weight of its own; return them."""
    for name, parameter in network.named_parameters():
        if name.endswith("fusion.logits"):
            torch.nn.init.uniform_(parameter, -2, 2)
    return network.connection_weights()


@pytest.mark.parametrize("name", GRAPHS)
def test_connections_keep_their_weights(name: str) -> None:
    build = families()[name].space
    assert build is not None
    space = build(max_size_px=64, max_frames=16)
    rng, kept, new = np.random.default_rng(0), 0, 0
    for seed in range(12):
        torch.manual_seed(seed)
        architecture = space.random(rng)
        parent = create_network(architecture, 3)
        before = learned(parent)
        child = create_network(space.mutate(architecture, rng)[0], 3)
        fresh = child.connection_weights()
        inherit(child, parent.lineage(parent.state_dict()))
        for edge, weight in child.connection_weights().items():
            known = before.get(edge)
            if 1.0 in (known, fresh[edge]):  # of a node with one input: no weight
                continue
            assert weight == pytest.approx(fresh[edge] if known is None else known, abs=1e-6), edge
            kept, new = kept + (known is not None), new + (known is None)
    assert kept > 20 and new > 0


@pytest.mark.parametrize("name", [*GRAPHS, "tinyvideonet", "evanet"])
def test_a_network_inherits_all_of_itself(name: str) -> None:
    build = families()[name].space
    assert build is not None
    rng = np.random.default_rng(1)
    architecture = build(max_size_px=32, max_frames=8).random(rng)
    parent, child = create_network(architecture, 3), create_network(architecture, 3)
    assert inherit(child, parent.lineage(parent.state_dict())) == 1.0
    for (key, own), other in zip(
        child.state_dict().items(), parent.state_dict().values(), strict=True
    ):
        assert torch.equal(own, other) or key.startswith("normalizations"), key
