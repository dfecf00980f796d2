"""The space: every random and every mutated architecture is valid, buildable and within bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidnas.core import UserError
from vidnas.families import architecture_from_json, create_network
from vidnas.families.clips import VideoModality
from vidnas.families.tinystreams.space import space as graphs
from vidnas.families.tinyvideonet import FAMILY, Block, TinyVideoNet
from vidnas.families.tinyvideonet.original import from_official, to_official
from vidnas.families.tinyvideonet.published import PUBLISHED
from vidnas.families.tinyvideonet.space import MUTATIONS, TinyVideoBounds, TinyVideoSpace, space
from vidnas.families.tinyvideonet.unit import Extent

extents = st.tuples(st.integers(16, 160), st.integers(1, 64), st.sampled_from(("rgb", "flow")))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), extents)
def test_a_walk_from_a_random_start_stays_in_the_space(
    seed: int, extent: tuple[int, int, VideoModality]
) -> None:
    rng = np.random.default_rng(seed)
    size_px, frames, modality = extent
    other: VideoModality = "flow" if modality == "rgb" else "rgb"
    walked = space(max_size_px=size_px, max_frames=frames, modalities=(modality,))
    architecture = walked.random(rng)
    for _ in range(20):
        assert walked.contains(architecture)
        assert architecture_from_json(architecture.to_json()) == architecture
        child, (phrase,) = walked.mutate(architecture, rng)
        assert child.digest != architecture.digest
        assert phrase
        architecture = child
    spec = architecture.inputs[0]
    assert spec.size_px <= size_px
    assert (spec.frames - 1) * spec.frame_stride + 1 <= frames
    assert spec.modality == modality
    assert not space(max_size_px=size_px, max_frames=frames, modalities=(other,)).contains(
        architecture
    )
    with torch.device("meta"):
        logits = create_network(architecture, 7).eval()(torch.empty(spec.shape(2)))
    assert logits.shape == (2, 7)


@pytest.fixture
def default() -> TinyVideoSpace:
    return space(max_size_px=64, max_frames=16)


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_changes_its_gene_and_nothing_else(
    name: str, default: TinyVideoSpace
) -> None:
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(40):
        parent = default.random(rng)
        change = MUTATIONS[name](parent, rng, default.bounds)
        if change is None:
            continue
        genes, phrase = change
        changed += 1
        child = parent.model_copy(update=genes)
        assert child != parent
        assert " " in phrase
        if name in Block.model_fields:
            pairs = zip(parent.blocks, child.blocks, strict=True)
            differing = {
                gene
                for one, other in pairs
                for gene in Block.model_fields
                if getattr(one, gene) != getattr(other, gene)
            }
            assert differing == {name}
        elif name in TinyVideoNet.model_fields:
            own = (name, "frame_stride") if name == "frames" else (name,)  # it gives way
            restored = {gene: getattr(parent, gene) for gene in own}
            assert child.model_copy(update=restored) == parent
        else:
            added = 1 if name == "add_block" else -1
            assert len(child.blocks) == len(parent.blocks) + added
    assert changed


@pytest.mark.parametrize("build", [space, graphs])
def test_no_kernel_is_longer_than_its_frames_let_it_see(build: Callable[..., Any]) -> None:
    rng, walked, short = np.random.default_rng(4), build(max_size_px=64, max_frames=16), 0
    for parent in (*walked.designs(), *(walked.random(rng) for _ in range(8))):
        architecture = parent
        for _ in range(4):
            units = architecture.units
            firsts = [unit for unit in units if unit.name.endswith("-0")] if build is space else [
                repeats[0] for repeats in units
            ]  # fmt: skip
            for unit in firsts:
                if unit.temporal:
                    assert unit.temporal.kernel < 2 * unit.entry.frames
                    short += unit.entry.frames == 2
            architecture, _ = walked.mutate(architecture, rng)
    assert short > 9


def test_networks_with_longer_kernels_are_no_members_but_have_children(
    default: TinyVideoSpace,
) -> None:
    block = Block(filters=16, temporal_kernel=5, temporal_stride=2)
    long = TinyVideoNet(frames=2, size_px=32, blocks=(block, block), dropout=0)
    assert not default.contains(long)
    trimmed = default.trimmed(long)
    # One frame enters the second block, over which no kernel is a layer.
    assert [block.temporal_kernel for block in trimmed.blocks] == [3, 5]
    assert default.contains(default.mutate(long, np.random.default_rng(5))[0])


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
def test_kernels_that_a_search_visits_see_different_things(
    axis: str, default: TinyVideoSpace
) -> None:
    gene, fewer = f"{axis}_kernel", 0
    for size, stride, repeats in product(range(2, 8), (1, 2, 3), (1, 3)):
        clip = {"frames": 2, "size_px": 2, "size_px" if axis == "spatial" else "frames": size}
        genes = {f"{axis}_type": "avgpool", f"{axis}_stride": stride, gene: 2}
        block = Block(filters=8, repeats=repeats, **genes)
        kernels = default.bounds.for_block(block, Extent(channels=3, **clip)).genes[gene]
        fewer += len(kernels) < len(default.bounds.genes[gene])
        found = []
        for kernel in kernels[0 if stride == 1 else 1 :]:
            torch.manual_seed(0)  # pooling has no weights
            own = block.model_copy(update={gene: kernel})
            network = create_network(TinyVideoNet(blocks=(own,), **clip), 3).eval()
            frames, size_px = clip.values()
            x = torch.randn(frames, 3, size_px, size_px)
            for unit in network.units:
                x, frames = unit(x, frames)
            found.append(x)
        for one, other in combinations(found, 2):
            assert not torch.allclose(one, other, atol=1e-4)
    assert fewer > 5


def test_what_is_stripped_saw_nothing(default: TinyVideoSpace) -> None:
    rng, stripped = np.random.default_rng(7), 0
    pools = {"spatial_type": "avgpool", "temporal_type": "maxpool"}
    for _ in range(60):
        drawn = default.draw(rng)
        blocks = tuple(block.model_copy(update=pools) for block in drawn.blocks)
        long = drawn.model_copy(update={"blocks": blocks})
        short = default.stripped(long)
        if short == long:
            continue
        one, other = (create_network(network, 3).eval() for network in (long, short))
        other.load_state_dict(one.state_dict())
        clip = torch.rand(1, *long.inputs[0].shape()[1:])
        torch.testing.assert_close(other(clip), one(clip))
        stripped += 1
    assert stripped > 9


def test_designs_stay_what_studies_know_and_their_children_are_stripped(
    default: TinyVideoSpace,
) -> None:
    design = default.designs()[2]
    # Two frames enter its last block, which strides: the third of the kernel sees none.
    assert design.blocks[-1].temporal_kernel == 3
    assert default.contains(design)
    assert default.stripped(design).blocks[-1].temporal_kernel == 2
    rng = np.random.default_rng(8)
    for _ in range(20):
        child, _ = default.mutate(design, rng)
        assert default.stripped(child) == child


def test_strong_mutations_say_each_step_and_do_not_come_back(default: TinyVideoSpace) -> None:
    rng = np.random.default_rng(1)
    for strength in (1, 2, 5):
        parent = default.random(rng)
        child, phrases = default.mutate(parent, rng, None, strength)
        assert len(phrases) == strength
        assert child.digest != parent.digest


def test_random_networks_are_of_a_sane_size(default: TinyVideoSpace) -> None:
    rng = np.random.default_rng(2)
    parameters = []
    for _ in range(60):
        architecture = default.random(rng)
        assert architecture.units[-1].exit.size_px >= 2
        with torch.device("meta"):
            network = create_network(architecture, 8)
        parameters.append(sum(tensor.numel() for tensor in network.parameters()))
    assert 20_000 < np.median(parameters) < 1_000_000


def test_published_networks_are_outside(default: TinyVideoSpace) -> None:
    assert not any(default.contains(build()) for build in FAMILY.published.values())


def test_bounds_are_json(default: TinyVideoSpace) -> None:
    described = default.describe()
    assert json.loads(json.dumps(described)) == described
    assert described != space(max_size_px=96, max_frames=16).describe()


def test_bounds_of_genes_narrow_the_declared_ones(default: TinyVideoSpace) -> None:
    few = {"filters": (16, 24), "skip": (False,)}
    bounds = TinyVideoBounds.model_validate({**dict(default.bounds), "genes": few})
    assert bounds.genes["expand"] == default.bounds.genes["expand"]
    narrow, rng = TinyVideoSpace(bounds), np.random.default_rng(3)
    architecture = narrow.random(rng)
    for _ in range(20):
        architecture, phrases = narrow.mutate(architecture, rng)
        assert all(block.filters in (16, 24) and not block.skip for block in architecture.blocks)
        assert "skip" not in phrases[0]
    for wrong in ({"filters": (0,)}, {"colour": ("red",)}, {"act": ("tanh",)}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            TinyVideoBounds.model_validate({**dict(default.bounds), "genes": wrong})


@pytest.mark.parametrize(("size_px", "frames"), [(8, 4), (64, 0)])
def test_clips_too_small_for_a_search_are_refused(size_px: int, frames: int) -> None:
    with pytest.raises(UserError, match="leave nothing to search"):
        space(max_size_px=size_px, max_frames=frames)


@pytest.mark.parametrize("streams", [False, True])
def test_the_original_format_says_the_same_network_or_refuses(
    streams: bool, default: TinyVideoSpace
) -> None:
    rng, written = np.random.default_rng(6), 0
    drawn = default.for_streams() if streams else default
    for _ in range(150):
        network = drawn.random(rng)
        try:
            again = from_official(to_official(network))
        except UserError:
            continue
        written += 1
        assert again.model_copy(update={"dropout": network.dropout}).digest == network.digest
    assert written > 0


def test_the_original_format_knows_no_flow() -> None:
    network = PUBLISHED["tvn1"]().model_copy(update={"modality": "flow"})
    with pytest.raises(UserError, match="optical flow"):
        to_official(network)
    assert network.digest != PUBLISHED["tvn1"]().digest
