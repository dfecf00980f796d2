"""AssembleNet's space: graphs that can be built, and mutations that learned weights guide."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidnas.core import Evaluation, Modality, UserError
from vidnas.families import create_network
from vidnas.families.assemblenet import AssembleNet
from vidnas.families.assemblenet.architecture import DEPTHS
from vidnas.families.assemblenet.bounds import AssembleNetBounds
from vidnas.families.assemblenet.guidance import exchange_edges, random_weights
from vidnas.families.assemblenet.space import MUTATIONS, AssembleNetSpace, space
from vidnas.families.evanet.space import space as evanet_space

VALUES = 500
CORNERS = [(16, 2), (40, 3), (64, 16), (160, 64)]
MODALITIES: list[tuple[Modality, ...]] = [("rgb",), ("rgb", "flow")]
FILTERS = [128, 256, 512, 512]


@pytest.fixture
def default() -> AssembleNetSpace:
    return space(max_size_px=64, max_frames=16)


def check_graph(architecture: AssembleNet) -> None:
    """What holds for every architecture of a default space."""
    level = [-1] * len(architecture.stems) + [block.level for block in architecture.blocks]
    outputs: dict[int, list[int]] = {}
    for target, block in enumerate(architecture.blocks, len(architecture.stems)):
        assert block.inputs
        for source in block.inputs:
            assert source < target and level[source] < level[target]
            outputs.setdefault(source, []).append(target)
    assert [
        sum(block.filters for block in architecture.blocks if block.level == each)
        for each in range(4)
    ] == FILTERS
    assert len(set(architecture.node_names)) == len(level)
    for node in architecture.built:  # each leads to another one, and so to the last level
        assert level[node] == 3 or set(outputs[node]) & set(architecture.built)


def learned(weights: dict[str, float]) -> Evaluation:
    return Evaluation(status="ok", fitness=1.0, connection_weights=weights)


def test_five_hundred_random_and_mutated_architectures(default: AssembleNetSpace) -> None:
    rng, digests = np.random.default_rng(0), set()
    architecture = default.random(rng)
    for index in range(VALUES):
        if index % 5 == 0:
            architecture = default.random(rng)
        else:
            parent, strength = architecture, int(rng.integers(1, 4))
            evaluation = learned(random_weights(parent, rng)) if index % 2 else None
            architecture, phrases = default.mutate(parent, rng, evaluation, strength)
            assert architecture.digest != parent.digest
            assert len(phrases) - strength in (0, 1) and all(phrases)
        assert default.contains(architecture)
        check_graph(architecture)
        genes = json.loads(architecture.to_json())
        assert genes.pop("family") == "assemblenet"
        assert AssembleNet.model_validate(genes) == architecture
        digests.add(architecture.digest)
    assert len(digests) > 0.98 * VALUES


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(CORNERS), st.sampled_from(MODALITIES))
def test_clips_of_any_extent(
    seed: int, extent: tuple[int, int], modalities: tuple[Modality, ...]
) -> None:
    size_px, frames = extent
    rng = np.random.default_rng(seed)
    walked = space(max_size_px=size_px, max_frames=frames, modalities=modalities)
    architecture = walked.random(rng)
    for _ in range(5):
        architecture, _ = walked.mutate(architecture, rng)
    check_graph(architecture)
    with torch.device("meta"):
        network = create_network(architecture, 7).eval()
        clips = [torch.empty(spec.shape(2)) for spec in architecture.inputs]
    assert network(*clips).shape == (2, 7)
    for spec in architecture.inputs:
        assert spec.modality in modalities
        assert spec.size_px <= size_px
        assert (spec.frames - 1) * spec.frame_stride < frames


def test_random_networks_are_overly_connected(default: AssembleNetSpace) -> None:
    rng = np.random.default_rng(1)
    drawn = [default.random(rng) for _ in range(200)]
    admissible = sum(
        one.level(source) < block.level
        for one in drawn
        for block in one.blocks
        for source in range(len(one.node_names))
    )
    assert 0.49 < sum(len(one.graph.edges) for one in drawn) / admissible < 0.53
    for level, most in enumerate(default.bounds.max_blocks):
        counts = {sum(block.level == level for block in one.blocks) for one in drawn}
        assert counts == set(range(1, most + 1))
    assert {stem.dilation for one in drawn for stem in one.stems} == {1, 2, 4, 8}
    assert {block.dilation for one in drawn for block in one.blocks} == {1, 2, 4, 8}
    assert {one.attention for one in drawn} == {"none"}
    for gene in ("size_px", "frames"):
        assert {getattr(one, gene) for one in drawn} == set(getattr(default.bounds, gene))
    assert {one.width for one in drawn} == set(default.bounds.widths)


def test_the_weakest_edges_go_for_as_many_others(default: AssembleNetSpace) -> None:
    rng, sizes = np.random.default_rng(2), set()
    for _ in range(20):
        parent = default.random(rng)
        weights = random_weights(parent, rng)
        before = parent.graph.edges
        weakest = sorted(before, key=lambda edge: weights.get(edge, 0.0))
        few = max(round(len(before) / 10), 1)
        change = exchange_edges(parent, rng, weights, threshold=0.5)
        assert change is not None
        child = parent.model_copy(update=change[0])
        after = child.graph.edges
        for edge in before.keys() - after.keys():
            assert edge in weakest[:few] and weights.get(edge, 0.0) <= 0.5
        for edge in weakest[:few]:  # a block that is left without inputs may take it up again
            assert edge not in after or len(child.graph.sources[before[edge][1]]) == 1
        assert len(before) <= len(after) <= len(before) + few
        assert [block.name for block in child.blocks] == [block.name for block in parent.blocks]
        sizes.add(few)
    assert max(sizes) > 1


def test_new_edges_are_drawn_from_all_that_are_missing(default: AssembleNetSpace) -> None:
    parent = default.random(np.random.default_rng(3))
    level = {name: parent.level(node) for node, name in enumerate(parent.node_names)}
    missing = {
        f"{source}->{target}"
        for target in parent.graph.sources
        for source in level
        if level[source] < level[target]
    } - parent.graph.edges.keys()
    added = set()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        change = exchange_edges(parent, rng, random_weights(parent, rng), threshold=0.5)
        assert change is not None
        added |= parent.model_copy(update=change[0]).graph.edges.keys() - parent.graph.edges.keys()
    assert added == missing


def test_every_edge_stays_where_all_are_strong(default: AssembleNetSpace) -> None:
    rng = np.random.default_rng(4)
    parent = default.random(rng)
    strong = dict.fromkeys(parent.graph.edges, 0.51)
    assert exchange_edges(parent, rng, strong, threshold=0.5) is None
    child, phrases = default.mutate(parent, rng, learned(strong))
    assert len(phrases) == 1 and not phrases[0].startswith("edges")
    assert child.digest != parent.digest


def test_unguided_is_guided_by_random_weights(default: AssembleNetSpace) -> None:
    parent = default.random(np.random.default_rng(5))
    rng, same = np.random.default_rng(6), np.random.default_rng(6)
    weights = random_weights(parent, same)
    unguided = default.mutate(parent, rng, strength=2)
    assert unguided == default.mutate(parent, same, learned(weights), strength=2)
    # An evaluator that knows no connections guides nothing.
    assert unguided == default.mutate(parent, np.random.default_rng(6), learned({}), strength=2)


def test_random_weights_stand_for_what_a_network_learns(default: AssembleNetSpace) -> None:
    rng, seen = np.random.default_rng(7), []
    for _ in range(50):
        parent = default.random(rng)
        weights = random_weights(parent, rng)
        built = {parent.node_names[node] for node in parent.built}
        for edge, (_, target) in parent.graph.edges.items():
            assert (edge in weights) == (target in built)
            if edge in weights and len(parent.graph.sources[target]) == 1:
                assert weights[edge] == 1.0
            elif edge in weights:
                seen.append(weights[edge])
    assert np.allclose(np.quantile(seen, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.05)


def test_guidance_reads_what_networks_report(default: AssembleNetSpace) -> None:
    rng = np.random.default_rng(16)
    for _ in range(3):
        parent = default.random(rng)
        weights = create_network(parent, 5).connection_weights()
        drawn = random_weights(parent, rng)
        assert weights.keys() == drawn.keys()
        single = {edge for edge, weight in drawn.items() if weight == 1.0}
        assert {edge for edge, weight in weights.items() if weight == 1.0} == single
        assert default.mutate(parent, rng, learned(weights))[1][-1]


def parents(default: AssembleNetSpace, name: str) -> Any:
    """Random networks with a child that this mutation made."""
    rng = np.random.default_rng(8)
    for _ in range(60):
        parent = default.random(rng)
        change = MUTATIONS[name](parent, rng, default.bounds)
        if change is not None:
            genes, phrase = change
            yield parent, AssembleNet.model_validate({**dict(parent), **genes}), phrase


def neighbours(architecture: AssembleNet, name: str) -> tuple[set[str], set[str]]:
    """Names of a block's inputs and of the blocks whose input it is."""
    pairs = architecture.graph.edges.values()
    return {a for a, b in pairs if b == name}, {b for a, b in pairs if a == name}


def by_name(architecture: AssembleNet) -> dict[str, Any]:
    return {block.name: block for block in architecture.blocks}


def test_a_split_block_is_two_of_half_the_filters_and_the_same_edges(
    default: AssembleNetSpace,
) -> None:
    count = 0
    for parent, child, phrase in parents(default, "split"):
        count += 1
        (new,) = by_name(child).keys() - by_name(parent).keys()
        (old,) = [
            name
            for name in by_name(parent)
            if phrase == f"block {name} split into {name} and {new}"
        ]
        before, first, second = by_name(parent)[old], by_name(child)[old], by_name(child)[new]
        assert first.filters + second.filters == before.filters
        assert abs(first.filters - second.filters) <= 8
        assert first.dilation == second.dilation == before.dilation
        assert neighbours(child, old) == neighbours(child, new)
        for one, other in zip(neighbours(child, old), neighbours(parent, old), strict=True):
            assert one == other
        assert default.contains(child)
    assert count > 20


def test_a_merged_block_has_the_filters_and_the_edges_of_two(default: AssembleNetSpace) -> None:
    count = 0
    for parent, child, phrase in parents(default, "merge"):
        count += 1
        (gone,) = by_name(parent).keys() - by_name(child).keys()
        (kept,) = [name for name in by_name(child) if phrase == f"block {gone} merged into {name}"]
        merged = by_name(child)[kept]
        assert merged.filters == by_name(parent)[gone].filters + by_name(parent)[kept].filters
        for one, other, both in zip(
            neighbours(parent, gone), neighbours(parent, kept), neighbours(child, kept), strict=True
        ):
            assert one | other == both
        assert default.contains(child)
    assert count > 20


def test_merging_undoes_a_split(default: AssembleNetSpace) -> None:
    for parent, child, _ in parents(default, "split"):
        rng = np.random.default_rng(9)
        merged = [MUTATIONS["merge"](child, rng, default.bounds) for _ in range(60)]
        children = [child.model_copy(update=change[0]) for change in merged if change]
        assert parent.digest in {one.digest for one in children}


def test_names_are_given_once_in_a_lineage(default: AssembleNetSpace) -> None:
    rng = np.random.default_rng(10)
    architecture, gone = default.random(rng), set[str]()
    before = set(architecture.node_names)
    for _ in range(80):
        architecture, _ = default.mutate(architecture, rng)
        now = set(architecture.node_names)
        assert not now & gone
        gone |= before - now
        before = now
    assert len(gone) > 5


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in ("split", "merge")])
def test_each_other_mutation_changes_its_gene(name: str, default: AssembleNetSpace) -> None:
    bounds = AssembleNetBounds.model_validate({**dict(default.bounds), "depths": (26, 38)})
    changed = list(parents(AssembleNetSpace(bounds), name))
    assert len(changed) > 50
    for parent, child, phrase in changed:
        if name == "dilation":
            pairs = zip((*parent.stems, *parent.blocks), (*child.stems, *child.blocks), strict=True)
            (pair,) = [(one, other) for one, other in pairs if one != other]
            assert pair[0] == pair[1].model_copy(update={"dilation": pair[0].dilation})
        else:
            assert child != parent
            own = (name, "frame_stride") if name == "frames" else (name,)  # it gives way
            restored = {gene: getattr(parent, gene) for gene in own}
            assert child.model_copy(update=restored) == parent
        assert " -> " in phrase


def test_a_gene_of_one_value_stays(default: AssembleNetSpace) -> None:
    pinned = {
        "size_px": (64,), "frames": (8,), "frame_stride": (2,), "sampling": ("dense",),
        "normalization": ("data",), "widths": (0.25,), "attentions": ("none",), "dilations": (1,),
    }  # fmt: skip
    fixed = AssembleNetSpace(AssembleNetBounds.model_validate({**dict(default.bounds), **pinned}))
    rng = np.random.default_rng(11)
    architecture = fixed.random(rng)
    for _ in range(20):
        architecture, phrases = fixed.mutate(architecture, rng)
        assert phrases[-1].startswith("block")
    assert (architecture.size_px, architecture.frames, architecture.width) == (64, 8, 0.25)


def test_mutations_are_said_in_peoples_words(default: AssembleNetSpace) -> None:
    rng = np.random.default_rng(12)
    parent = default.random(rng)
    said = {phrase for _ in range(200) for phrase in default.mutate(parent, rng)[1]}
    assert any(phrase.startswith("edges: ") and " replaced by " in phrase for phrase in said)
    for example in ("stem 1: dilation", "width 0.", "attention none -> peer", " merged into b"):
        assert any(example in phrase for phrase in said), example
    assert max(map(len, said)) < 70


def changed_block(parent: AssembleNet, **genes: Any) -> AssembleNet:
    first = parent.blocks[0].model_copy(update=genes)
    return parent.model_copy(update={"blocks": (first, *parent.blocks[1:])})


def test_where_flow_alone_is_seen_no_normalization_is(default: AssembleNetSpace) -> None:
    design, rng = default.designs()[1], np.random.default_rng(16)
    assert design.normalization == "clip"
    assert default.stripped(design) == design
    flow = changed_block(design, inputs=(2, 3))
    plain = default.stripped(flow)
    assert plain.normalization == "data"
    one, other = (create_network(network, 3).eval() for network in (flow, plain))
    other.load_state_dict(one.state_dict())
    clip = torch.rand(1, *flow.inputs[0].shape()[1:])
    assert torch.equal(other(clip), one(clip))
    for _ in range(20):
        child, _ = default.mutate(flow, rng)
        assert child.sees_clips or child.normalization == "data"


def test_contains_is_exact(default: AssembleNetSpace) -> None:
    inside = default.random(np.random.default_rng(13))
    stem = inside.stems[0].model_copy(update={"dilation": 3})
    outside = [
        changed_block(inside, dilation=3),
        changed_block(inside, stride=2),
        changed_block(inside, name=""),
        changed_block(inside, filters=inside.blocks[0].filters + 8),
        changed_block(inside, edge_weights=(0.5,) * len(inside.blocks[0].inputs)),
        inside.model_copy(update={"stems": (stem, *inside.stems[1:])}),
        inside.model_copy(update={"stems": inside.stems[::-1]}),
        *(
            inside.model_copy(update={gene: value})
            for gene, value in {
                "width": 1.0, "dropout": 0.5, "repeats": DEPTHS[50], "size_px": 65, "frames": 9,
                "frame_stride": 5, "rules": "published", "flow_iterations": 40,
            }.items()
        ),
        inside.model_copy(update={"frames": 16, "frame_stride": 2}),
        evanet_space(max_size_px=64, max_frames=16).random(np.random.default_rng(13)),
    ]  # fmt: skip
    assert default.contains(inside)
    assert not any(default.contains(architecture) for architecture in outside)
    fewer = {**dict(default.bounds), "max_blocks": (1, 1, 1, 1)}
    assert not AssembleNetSpace(AssembleNetBounds.model_validate(fewer)).contains(inside)


def test_streams_follow_the_clips() -> None:
    rng = np.random.default_rng(14)
    computed, given_ = (space(modalities=modalities).random(rng) for modalities in MODALITIES)
    assert [stem.kind for stem in computed.stems] == ["rgb", "rgb", "flow", "flow"]
    assert [stem.kind for stem in given_.stems] == ["rgb", "rgb"] + ["precomputed_flow"] * 2
    with pytest.raises(UserError, match="cannot be made from flow; use rgb"):
        space(modalities=("flow",))


def test_bounds_are_json() -> None:
    described = space(max_size_px=64, max_frames=16).describe()
    assert json.loads(json.dumps(described)) == described
    assert described != space(max_size_px=96, max_frames=16).describe()
    assert AssembleNetBounds.model_validate(described).model_dump(mode="json") == described
    with pytest.raises(UserError, match="leave nothing to search"):
        space(max_size_px=8)
    with pytest.raises(UserError, match="no motion"):
        space(max_frames=1)


def test_another_familys_parent_is_refused(default: AssembleNetSpace) -> None:
    rng = np.random.default_rng(15)
    with pytest.raises(TypeError, match="EvaNet is not an AssembleNet"):
        default.mutate(evanet_space().random(rng), rng)
