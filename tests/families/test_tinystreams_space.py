"""The space: every random and every mutated network is valid, buildable and within bounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidnas.core import Evaluation, Modality, UserError
from vidnas.families import create_network
from vidnas.families.tinystreams import FAMILY
from vidnas.families.tinystreams.bounds import StreamsBounds
from vidnas.families.tinystreams.space import MUTATIONS, TinyStreamsSpace, space
from vidnas.families.tinyvideonet.space import space as chains
from vidnas.profiling.counting import count_cost

modalities = st.sampled_from([("rgb",), ("flow",), ("rgb", "flow")])
ALL = {name: mutate for group in MUTATIONS.values() for name, mutate in group.items()}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(16, 128), st.integers(1, 32), modalities)
def test_a_walk_from_a_random_start_stays_in_the_space(
    seed: int, size_px: int, frames: int, wanted: tuple[Modality, ...]
) -> None:
    rng = np.random.default_rng(seed)
    walked = space(max_size_px=size_px, max_frames=frames, modalities=wanted)
    network = walked.random(rng)
    assert {spec.modality for spec in network.inputs} == set(wanted)
    assert len(network.live) == len(network.node_names), "a start has nodes that are not built"
    for _ in range(15):
        assert walked.contains(network)
        child, (phrase,) = walked.mutate(network, rng)
        assert child.digest != network.digest
        assert phrase
        network = child
    for stream in network.streams:
        assert stream.size_px <= size_px
        assert (stream.frames - 1) * stream.frame_stride + 1 <= frames
        assert stream.modality in wanted
    with torch.device("meta"):
        clips = [torch.empty(spec.shape(2)) for spec in network.inputs]
        assert create_network(network, 7).eval()(*clips).shape == (2, 7)


@pytest.fixture
def default() -> TinyStreamsSpace:
    return space(max_size_px=64, max_frames=16, modalities=("rgb", "flow"))


@pytest.mark.parametrize("name", ALL)
def test_each_mutation_changes_its_own(name: str, default: TinyStreamsSpace) -> None:
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(40):
        parent = default.random(rng)
        change = ALL[name](parent, rng, default.bounds, {})
        if change is None:
            continue
        genes, phrase = change
        child = parent.model_copy(update=genes)
        assert child != parent and " " in phrase
        changed += 1
        kept = [name for name in child.node_names if name in parent.node_names]
        assert kept == [name for name in parent.node_names if name in child.node_names]
        new, gone = (
            child.graph.edges.keys() - parent.graph.edges.keys(),
            parent.graph.edges.keys() - child.graph.edges.keys(),
        )
        grown = {"add_stream": (1, 0), "remove_stream": (-1, 0), "add_node": (0, 1),
                 "remove_node": (0, -1)}.get(name, (0, 0))  # fmt: skip
        assert len(child.streams) - len(parent.streams) == grown[0]
        assert len(child.nodes) - len(parent.nodes) == grown[1]
        if name in MUTATIONS["connections"]:
            moved = {"add_edge": (1, 0), "remove_edge": (0, 1), "replace_edge": (1, 1)}[name]
            assert (len(new), len(gone)) == moved
        elif grown == (0, 0):
            assert not new and not gone
    assert changed


def evaluated(weights: dict[str, float]) -> Evaluation:
    return Evaluation(status="ok", fitness=1.0, connection_weights=weights)


def test_learned_weights_decide_which_edge_is_replaced(default: TinyStreamsSpace) -> None:
    rng = np.random.default_rng(1)
    replaced = 0
    while replaced < 20:
        parent = default.random(rng)
        learned = create_network(parent, 3).connection_weights()
        fused = [name for name, weight in learned.items() if weight < 1.0]
        if not fused:
            continue
        weights = {name: 1.0 if name not in fused else rng.uniform(0.6, 0.9) for name in learned}
        replace = MUTATIONS["connections"]["replace_edge"]
        assert replace(parent, rng, default.bounds, weights) is None, "a strong edge was replaced"
        weak = str(rng.choice(fused))
        weights |= {str(rng.choice(fused)): 0.4, weak: 0.2}
        change = replace(parent, rng, default.bounds, weights)
        if change is None:  # every edge that could be there is there
            continue
        child = parent.model_copy(update=change[0])
        assert parent.graph.edges.keys() - child.graph.edges.keys() == {weak}
        assert change[1].startswith(f"edge {weak}: replaced by ")
        replaced += 1


def test_the_space_hands_the_weights_on(default: TinyStreamsSpace) -> None:
    rng = np.random.default_rng(2)
    parent = default.random(rng)
    while len(parent.nodes) < 4:
        parent = default.random(rng)
    strong = dict.fromkeys(create_network(parent, 3).connection_weights(), 0.9)
    phrases = [default.mutate(parent, rng, evaluated(strong))[1][0] for _ in range(100)]
    assert not any("replaced" in phrase for phrase in phrases)
    phrases = [default.mutate(parent, rng)[1][0] for _ in range(100)]
    assert any("replaced" in phrase for phrase in phrases)


def test_random_networks_are_as_tiny_as_chains(default: TinyStreamsSpace) -> None:
    rng = np.random.default_rng(3)
    chain = chains(max_size_px=64, max_frames=16)
    graphs = [count_cost(default.random(rng), 8) for _ in range(40)]
    others = [count_cost(chain.random(rng), 8) for _ in range(40)]
    ratio = np.median([cost.macs for cost in graphs]) / np.median([cost.macs for cost in others])
    assert 0.1 < ratio < 2
    assert np.median([cost.parameters for cost in graphs]) < 1_000_000


def test_bounds_are_json(default: TinyStreamsSpace) -> None:
    described = default.describe()
    assert json.loads(json.dumps(described)) == described
    assert described != space(max_size_px=64, max_frames=16).describe()


def test_other_architectures_are_outside(default: TinyStreamsSpace) -> None:
    rng = np.random.default_rng(4)
    assert not default.contains(chains(max_size_px=64, max_frames=16).random(rng))
    network = default.random(rng)
    assert not space(max_size_px=64, max_frames=16).contains(network)  # it has flow
    assert default.contains(network)
    first, second = network.streams[:2]
    twin = first.model_copy(update={"name": second.name})
    twins = network.model_copy(update={"streams": (first, twin, *network.streams[2:])})
    assert not default.contains(twins)


def test_what_cannot_be_searched_is_refused() -> None:
    assert FAMILY.space is space
    with pytest.raises(UserError, match="no object maps"):
        space(modalities=("rgb", "objects"))
    with pytest.raises(UserError, match="leave nothing to search"):
        space(max_size_px=8)


def test_bounds_have_a_stream_of_each_modality(default: TinyStreamsSpace) -> None:
    with pytest.raises(ValidationError, match=r"streams \(1,\) are fewer .* rgb and flow; allow 2"):
        StreamsBounds.model_validate({**dict(default.bounds), "streams": (1,)})
