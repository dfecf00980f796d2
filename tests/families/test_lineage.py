"""Along a lineage, what was learned of a node or a connection stays with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vidnas.families import Network, create_network, families
from vidnas.families.alignment import aligned
from vidnas.families.assemblenet.attention import PeerAttention
from vidnas.families.assemblenet.designs import DESIGNS as ASSEMBLENETS
from vidnas.families.tinystreams.architecture import Node, Stream, TinyStreams
from vidnas.families.tinyvideonet import Block, TinyVideoNet
from vidnas.families.tinyvideonet.designs import DESIGNS
from vidnas.layers.fusion import Projection
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
        inherit(child, parent.state_dict(), parent)
        for edge, weight in child.connection_weights().items():
            known = before.get(edge)
            if 1.0 in (known, fresh[edge]):  # of a node with one input: no weight
                continue
            assert weight == pytest.approx(fresh[edge] if known is None else known, abs=1e-6), edge
            kept, new = kept + (known is not None), new + (known is None)
    assert kept > 20 and new > 0


def of_two_widths(filters: int) -> TinyStreams:
    """A node that takes one as wide as this, and one that is wider."""
    blocks = ((0,), filters), ((0,), 32), ((1, 2), 32)
    nodes = tuple(
        Node(block=Block(filters=count, spatial_kernel=3), inputs=inputs, name=f"n{number}")
        for number, (inputs, count) in enumerate(blocks, 1)
    )
    return TinyStreams(streams=(Stream(frames=2, size_px=16, name="s1"),), nodes=nodes)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_brings_maps_to_the_width_of_others_stays_when_widths_change(name: str) -> None:
    before, after = of_two_widths(16), of_two_widths(24)
    if name == "assemblenet":
        before = ASSEMBLENETS[4]
        after = before.model_copy(update={"width": 2 * before.width})
    parent, child = (create_network(one, 3) for one in (before, after))
    inherit(child, parent.state_dict(), parent)
    own, theirs = (
        [one.weight for one in network.modules() if isinstance(one, Projection)]
        for network in (child, parent)
    )
    assert own
    for weight, known in zip(own, theirs, strict=True):
        filters, channels = known.shape[:2]
        assert weight.shape[1] > channels
        assert torch.equal(weight[:filters, :channels], known)


def attention_of(network: Network) -> dict[str, torch.Tensor]:
    """What belongs to each connection and each peer, by their names."""
    names, found = network.architecture.node_names, {}
    for node, block in network.blocks():
        gates = zip(block.inputs, block.attention.gates, strict=True)
        found |= {("gate", names[source], names[node]): gate.weight for source, gate in gates}
        if isinstance(block.attention, PeerAttention):
            values = zip(block.peers, block.attention.values, strict=True)
            found |= {("value", names[peer], names[node]): one.weight for peer, one in values}
            for row, source in enumerate(block.inputs):
                for column, peer in enumerate(block.peers):
                    share = block.attention.mixture[row, column]
                    found["share", names[source], names[peer], names[node]] = share
    return found


@pytest.mark.parametrize("attention", ["self", "peer"])
def test_connections_keep_their_attention(attention: str) -> None:
    space = families()["assemblenet"].space(max_size_px=32, max_frames=8)
    rng, kept, moved = np.random.default_rng(2), 0, 0
    for seed in range(8):
        torch.manual_seed(seed)
        architecture = space.random(rng).model_copy(update={"attention": attention})
        parent = create_network(architecture, 3)
        changed = space.mutate(architecture, rng)[0]
        child = create_network(changed.model_copy(update={"attention": attention}), 3)
        inherit(child, parent.state_dict(), parent)
        before, after = attention_of(parent), attention_of(child)
        for name in before.keys() & after.keys():
            # Blocks that are wider or narrower share their first channels.
            own, theirs = before[name], after[name]
            shared = tuple(map(slice, map(min, own.shape, theirs.shape)))
            assert torch.equal(own[shared], theirs[shared]), name
            kept += 1
        moved += list(before) != list(after)
    assert kept > 50 and moved > 2


@pytest.mark.parametrize("name", [*GRAPHS, "tinyvideonet", "evanet"])
def test_a_network_inherits_all_of_itself(name: str) -> None:
    build = families()[name].space
    assert build is not None
    rng = np.random.default_rng(1)
    architecture = build(max_size_px=32, max_frames=8).random(rng)
    parent, child = create_network(architecture, 3), create_network(architecture, 3)
    assert inherit(child, parent.state_dict(), parent) == 1.0
    for (key, own), other in zip(
        child.state_dict().items(), parent.state_dict().values(), strict=True
    ):
        assert torch.equal(own, other) or key.startswith("normalizations"), key


def deeper(design: int, **genes: int) -> tuple[Network, Network]:
    """A design of Tiny Video Networks, trained as it were, and a child with other blocks."""
    parent = DESIGNS[design].model_copy(update={"size_px": 32})
    first, second, *rest = parent.blocks
    changed = second.model_copy(update=genes)
    child = parent.model_copy(update={"blocks": (first, changed, *rest)})
    return create_network(parent, 3).eval(), create_network(child, 3).eval()


def test_a_further_repeat_changes_nothing_until_it_has_learned() -> None:
    torch.manual_seed(0)
    repeats = DESIGNS[0].blocks[1].repeats
    parent, child = deeper(0, repeats=repeats + 1)
    inherit(child, parent.state_dict(), parent)
    clip = torch.rand(1, *parent.architecture.inputs[0].shape()[1:])
    assert torch.allclose(child(clip), parent(clip), atol=1e-5)
    child.train()(torch.cat([clip, 1 - clip])).sum().backward()
    new = child.get_submodule(f"units.{DESIGNS[0].blocks[0].repeats + repeats}")
    assert any(one.grad is not None and one.grad.any() for one in new.parameters())


@pytest.mark.parametrize("build", [TinyVideoNet, TinyStreams])
def test_a_non_local_block_stays_behind_the_last_repeat(build: type[Any]) -> None:
    def network(repeats: int) -> Network:
        genes = {"spatial_kernel": 3, "spatial_type": "1std", "skip": True, "non_local": 8}
        block = Block(filters=16, repeats=repeats, **genes)
        clip = {"frames": 2, "size_px": 16}
        if build is TinyVideoNet:
            return create_network(TinyVideoNet(blocks=(block,), **clip), 3).eval()
        node = Node(block=block, inputs=(0,))
        return create_network(TinyStreams(streams=(Stream(**clip),), nodes=(node,)), 3).eval()

    torch.manual_seed(0)
    parent, child, again = network(1), network(2), network(1)
    for name, parameter in parent.named_parameters():
        if name.endswith("non_local.project.norm.weight"):
            torch.nn.init.normal_(parameter)
    clip = torch.rand(1, *parent.architecture.inputs[0].shape()[1:])
    inherit(child, parent.state_dict(), parent)
    assert torch.allclose(child(clip), parent(clip), atol=1e-5)
    inherit(again, child.state_dict(), child)
    assert torch.allclose(again(clip), parent(clip), atol=1e-5)


@pytest.mark.parametrize("equal", [False, True])
def test_blocks_behind_a_new_one_keep_what_they_learned(equal: bool) -> None:
    torch.manual_seed(0)
    architecture = DESIGNS[0].model_copy(update={"size_px": 32})
    first, second, *rest = architecture.blocks
    again = {"repeats": 1, "spatial_stride": 1, "temporal_stride": 1, "skip": True}
    new = first.model_copy(update=again)
    if equal:  # the new block is like the one that it continues, which has other channels
        first = new
        architecture = architecture.model_copy(update={"blocks": (first, second, *rest)})
    changed = architecture.model_copy(update={"blocks": (first, new, second, *rest)})
    parent, child = (create_network(one, 3).eval() for one in (architecture, changed))
    inherit(child, parent.state_dict(), parent)
    clip = torch.rand(1, *architecture.inputs[0].shape()[1:])
    assert torch.allclose(child(clip), parent(clip), atol=1e-5)
    again = create_network(architecture, 3).eval()
    inherit(again, child.state_dict(), child)
    assert torch.allclose(again(clip), parent(clip), atol=1e-5)


@pytest.mark.parametrize(
    ("parent", "child", "places"),
    [
        ("abc", "abc", [0, 1, 2]),
        ("abc", "xyz", [0, 1, 2]),
        ("abc", "axbc", [0, None, 1, 2]),
        ("abc", "xabc", [None, 0, 1, 2]),
        ("abc", "ac", [0, 2]),
        ("abc", "axby", [0, None, 1, 2]),
        ("ab", "aab", [0, None, 1]),
        ("aab", "ab", [0, 2]),
    ],
)
def test_blocks_are_found_again(parent: str, child: str, places: list[int | None]) -> None:
    assert aligned(parent, child) == places
